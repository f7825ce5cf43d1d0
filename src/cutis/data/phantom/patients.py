"""The synthetic patients of the phantom data set: who they are, their lesions, visits and records.

Age, sex and the way of confirmation go with the diagnosis about as in HAM10000, the site plausibly, and some
of the record is missing, as in any archive. All is decided here and nothing drawn: each lesion and view has
its own seed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from cutis.data.phantom.lesion import APPEARANCES, PhantomLesion, phantom_lesion
from cutis.data.phantom.view import ITA_RANGES, PhantomView, fitzpatrick_of, phantom_view

ATTRIBUTION = "cutis phantom, synthetic"
LICENSE = "CC0-1.0"
SOURCE = "phantom"
_MOST_VIEWS = 3

# Images of each diagnosis in HAM10000 (Tschandl 2018, doi:10.1038/sdata.2018.161).
_HAM_COUNTS = {"akiec": 327, "bcc": 514, "bkl": 1099, "df": 115, "mel": 1113, "nv": 6705, "vasc": 142}
_SKIN_TYPES = {"I": 0.14, "II": 0.28, "III": 0.22, "IV": 0.15, "V": 0.12, "VI": 0.09}
# Mean and spread of age, part of women, and ways of confirmation are those of HAM10000's lesions, rounded.
_AGES = {
    "akiec": (67, 12),
    "bcc": (67, 14),
    "bkl": (64, 14),
    "df": (53, 13),
    "mel": (61, 15),
    "nv": (47, 14),
    "vasc": (53, 20),
}
_FEMALE = {"akiec": 0.35, "bcc": 0.37, "bkl": 0.42, "df": 0.52, "mel": 0.40, "nv": 0.48, "vasc": 0.49}
_SITES = {
    "face": "Head and neck:Head:Face",
    "scalp": "Head and neck:Head:Scalp",
    "neck": "Head and neck:Neck",
    "chest": "Trunk:Anterior trunk:Anterior chest",
    "abdomen": "Trunk:Anterior trunk:Anterior abdomen",
    "back": "Trunk:Posterior trunk",
    "upper arm": "Upper extremity:Upper arm",
    "forearm": "Upper extremity:Forearm",
    "hand": "Upper extremity:Hand",
    "thigh": "Lower extremity:Thigh",
    "lower leg": "Lower extremity:Lower leg",
    "foot": "Lower extremity:Foot",
}
_SITE_WEIGHTS = {  # in the order of _SITES; plausible, not measured
    "akiec": (10, 4, 2, 2, 1, 2, 1, 4, 3, 1, 2, 0),
    "bcc": (9, 2, 3, 3, 1, 6, 2, 1, 0, 1, 2, 0),
    "bkl": (6, 2, 2, 3, 3, 7, 2, 1, 1, 2, 2, 0),
    "df": (0, 0, 0, 1, 1, 2, 3, 2, 0, 5, 9, 1),
    "mel": (4, 1, 1, 3, 2, 8, 3, 2, 0, 3, 4, 1),
    "nv": (2, 0, 1, 4, 5, 9, 3, 2, 1, 4, 4, 2),
    "vasc": (3, 1, 1, 4, 4, 4, 2, 1, 1, 2, 2, 1),
}
_CONFIRMED_BY = (
    "histopathology",
    "serial imaging showing no change",
    "single image expert consensus",
    "confocal microscopy with consensus dermoscopy",
)
_CONFIRMED_WEIGHTS = {
    "akiec": (1, 0, 0, 0),
    "bcc": (1, 0, 0, 0),
    "bkl": (0.67, 0, 0.28, 0.05),
    "df": (0.4, 0, 0.6, 0),
    "mel": (1, 0, 0, 0),
    "nv": (0.25, 0.69, 0.06, 0),
    "vasc": (0.34, 0, 0.66, 0),
}  # fmt: skip


@dataclass(frozen=True)
class PhantomCase:
    """One lesion of one patient, with its views and what the record says."""

    lesion_id: str
    patient_id: str
    ita: float
    lesion: PhantomLesion
    views: tuple[PhantomView, ...]
    acquired_at: tuple[datetime, ...]
    record: dict[str, str | int | None]  # manifest columns that are the same for every view


@dataclass(frozen=True)
class PhantomCopy:
    """A near-duplicate: a finished picture once more, mirrored, cropped, brightened and compressed again."""

    case: PhantomCase  # filed under this one
    of: tuple[int, int]  # case and view copied
    mirrored: bool
    crop: tuple[float, float, float]  # left, top and kept part of each side
    brightness: float
    quality: int


def plan_cases(patients: int, seed: int, clinical_fraction: float) -> list[PhantomCase]:
    """The lesions of all patients, 1–3 each with 1–3 views; each lesion and view has its own seed.

    Args:
        patients: how many.
        seed: 0 or above.
        clinical_fraction: how likely a view is a smartphone's, 0–1.
    """
    root = np.random.SeedSequence(seed)
    rng = np.random.default_rng(root.spawn(1)[0])
    lesions_of = rng.choice([1, 2, 3], patients, p=[0.45, 0.35, 0.20])
    diagnoses = iter(rng.permutation(_diagnoses(int(lesions_of.sum()), -(-patients // 15))))
    lesion_seeds = iter(root.spawn(int(lesions_of.sum())))
    cases: list[PhantomCase] = []
    for number, lesions in enumerate(lesions_of, start=1):
        mine = [str(next(diagnoses)) for _ in range(lesions)]
        patient = _patient(mine, rng)
        for diagnosis in mine:
            case = _case(
                len(cases) + 1,
                number,
                diagnosis,
                patient,
                clinical_fraction=clinical_fraction,
                seeds=[int(each) for each in next(lesion_seeds).generate_state(1 + _MOST_VIEWS)],
                rng=rng,
            )
            cases.append(case)
    return cases


def _diagnoses(lesions: int, floor: int) -> list[str]:
    """Each diagnosis by the square root of its share in HAM10000, but at least ``floor`` times."""
    floor = min(floor, lesions // len(_HAM_COUNTS))
    roots = {name: count**0.5 for name, count in _HAM_COUNTS.items()}
    free = lesions - floor * len(roots)
    exact = {name: free * root / sum(roots.values()) for name, root in roots.items()}
    counts = {name: floor + int(value) for name, value in exact.items()}
    for name in sorted(exact, key=lambda each: exact[each] % 1, reverse=True)[: lesions - sum(counts.values())]:
        counts[name] += 1
    return [name for name, count in counts.items() for _ in range(count)]


@dataclass(frozen=True)
class _Patient:
    age: float
    sex: str
    ita: float
    first_visit: datetime
    known: dict[str, bool]  # which of the facts the record holds


def _patient(diagnoses: list[str], rng: np.random.Generator) -> _Patient:
    mean, spread = np.mean([_AGES[each] for each in diagnoses], axis=0)
    skin_type = str(rng.choice(list(_SKIN_TYPES), p=list(_SKIN_TYPES.values())))
    return _Patient(
        age=float(np.clip(rng.normal(mean, spread), 5, 85)),
        sex="female" if rng.random() < np.mean([_FEMALE[each] for each in diagnoses]) else "male",
        ita=round(float(rng.uniform(*ITA_RANGES[skin_type])), 2),
        first_visit=datetime(2016, 1, 4, 8)
        + timedelta(days=int(rng.integers(0, 8 * 365)), minutes=int(rng.integers(0, 540))),
        known={"age": rng.random() > 0.04, "sex": rng.random() > 0.03, "skin": rng.random() > 0.08},
    )


def _case(
    number: int,
    patient_number: int,
    diagnosis: str,
    patient: _Patient,
    *,
    clinical_fraction: float,
    seeds: list[int],
    rng: np.random.Generator,
) -> PhantomCase:
    weights = np.asarray(_SITE_WEIGHTS[diagnosis], float)
    site = str(rng.choice(list(_SITES), p=weights / weights.sum())) if rng.random() > 0.06 else None
    first = patient.first_visit + timedelta(minutes=int(rng.integers(0, 40)))
    taken = [first]
    views = []
    for index in range(int(rng.choice(_MOST_VIEWS, p=[0.45, 0.35, 0.20])) + 1):
        if index:  # the same day, or at a follow-up
            later = timedelta(minutes=2) if rng.random() < 0.65 else timedelta(days=int(rng.integers(80, 200)))
            taken.append(taken[-1] + later)
        views.append(phantom_view(patient.ita, seeds[index + 1], clinical=bool(rng.random() < clinical_fraction)))
    record: dict[str, str | int | None] = {
        "source": SOURCE,
        "diagnosis": APPEARANCES[diagnosis].diagnosis,
        "source_diagnosis": f"phantom {diagnosis}",
        "diagnosis_confirm_type": str(rng.choice(_CONFIRMED_BY, p=_CONFIRMED_WEIGHTS[diagnosis])),
        "age_approx": int(5 * round(patient.age / 5)) if patient.known["age"] else None,
        "sex": patient.sex if patient.known["sex"] else None,
        "anatom_site": _SITES[site] if site else None,
        "source_anatom_site": site,
        "fitzpatrick_skin_type": fitzpatrick_of(patient.ita) if patient.known["skin"] else None,
        "attribution": ATTRIBUTION,
        "license": LICENSE,
    }
    return PhantomCase(
        lesion_id=f"PHANTOM_LESION_{number:05d}",
        patient_id=f"PHANTOM_PATIENT_{patient_number:05d}",
        ita=patient.ita,
        lesion=phantom_lesion(diagnosis, seeds[0]),
        views=tuple(views),
        acquired_at=tuple(taken),
        record=record,
    )


def plan_copies(cases: list[PhantomCase], count: int, seed: int) -> list[PhantomCopy]:
    """Near-duplicates of views of these cases, each under a lesion and a patient of its own."""
    rng = np.random.default_rng((seed, 1))
    last_patient = int(cases[-1].patient_id.rsplit("_", 1)[1])
    chosen = rng.choice(len(cases), count, replace=count > len(cases))
    copies = []
    for number, index in enumerate(chosen.tolist(), start=1):
        original = cases[index]
        view = int(rng.integers(len(original.views)))
        kept = rng.uniform(0.86, 0.97)
        age = original.record["age_approx"]
        record = {
            **original.record,
            "age_approx": None if age is None else min(85, int(age) + int(rng.choice([-5, 0, 5]))),
            "sex": str(rng.choice(["female", "male"])),
        }
        filed = PhantomCase(
            lesion_id=f"PHANTOM_LESION_{len(cases) + number:05d}",
            patient_id=f"PHANTOM_PATIENT_{last_patient + number:05d}",
            ita=original.ita,
            lesion=original.lesion,
            views=(original.views[view],),
            acquired_at=(original.acquired_at[view] + timedelta(days=int(rng.integers(1, 400))),),
            record=record,
        )
        copies.append(
            PhantomCopy(
                case=filed,
                of=(index, view),
                mirrored=bool(rng.random() < 0.5),
                crop=(rng.uniform(0, 1 - kept), rng.uniform(0, 1 - kept), kept),
                brightness=rng.uniform(0.93, 1.07),
                quality=int(rng.integers(55, 86)),
            )
        )
    return copies
