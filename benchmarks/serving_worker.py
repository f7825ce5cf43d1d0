"""The classifiers that ``serving.py`` compares, each run in the environment where it is installed.

    PYTHON serving_worker.py JOB ANSWER

The job names the tool, the cores it may use, and the images with what is known of each patient. Each image is answered
alone, from its file: once by the package's own call (``whole``), once by decoding, resizing and the network alone
(``bare``). The first ten images come once more before and are not counted.
"""
# ruff: noqa: PLC0415 - each tool is in an environment of its own

import json
import os
import sys
import time
from pathlib import Path

WARM = 10
CLASSES = ["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"]


def folder_bytes(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file() and "__pycache__" not in each.parts)


def cutis_tool(job):
    from dataclasses import replace

    import numpy as np

    import cutis
    from cutis.data import fit_image, manifest_frame, read_image
    from cutis.models import default_bundle_folder, load_onnx_bundle, patient_codes, predict_files

    folder = Path(job["bundle"]) if job["bundle"] else default_bundle_folder()
    bundle = load_onnx_bundle(folder, threads=job["cores"])
    if job["views"]:
        bundle = replace(bundle, recipe=bundle.recipe | {"views": job["views"]})
    assert list(bundle.classes.ids) == CLASSES
    size = bundle.image

    def whole(image):
        return predict_files(bundle, [image["path"]], image["patient"]).probabilities[0].tolist()

    def bare(image, codes):
        pixels = fit_image(read_image(image["path"]), *size.decoded, size.aspect)
        return bundle.calibration.probabilities(bundle.logits([pixels], codes))[0].tolist()

    def prepared(image):
        row = manifest_frame([{"image_id": "one", **image["patient"]}])
        return np.asarray(patient_codes(row, bundle.architecture.patient))

    told = {
        "file": bundle.file,
        "precision": bundle.precision,
        "views": bundle.views,
        "model_bytes": (folder / bundle.file).stat().st_size,
        "package_bytes": folder_bytes(Path(cutis.__file__).parent),
    }
    return whole, bare, prepared, told


def sklesion_tool(job):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import warnings

    warnings.simplefilter("ignore")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(job["cores"])
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from sklesion.model import SkinLesionClassifier

    classifier = SkinLesionClassifier()
    assert [classifier.model_props["i_cl_map"][k] for k in range(len(CLASSES))] == CLASSES
    network = tf.function(lambda picture, meta: classifier.model((picture, meta), training=False))
    shape = [int(each) for each in classifier.model_props["img_shape"]]

    def asked(image):
        return {"image": as_jpeg(image["path"]), "meta": {**image["peer"], "age": image["peer"]["age"] or float("nan")}}

    def whole(image):
        return classifier.predict_P(asked(image))[0].tolist()

    def prepared(image):
        (_, meta), *_ = classifier.preprocess(asked(image)).map(lambda *inputs: inputs[0]).as_numpy_iterator()
        return tf.constant(meta)

    def bare(image, meta):
        picture = tf.image.resize(tf.image.decode_jpeg(as_jpeg(image["path"]), channels=3), shape)
        return network(picture[None], meta).numpy()[0].tolist()

    package = Path(sys.modules["sklesion.model"].__file__).parent
    told = {
        "file": "model.keras",
        "precision": "fp32",
        "views": 1,
        "model_bytes": (package / "model.keras").stat().st_size,
        "package_bytes": folder_bytes(package),
        "environment_bytes": folder_bytes(Path(sys.prefix)),
    }
    return whole, bare, prepared, told


def as_jpeg(path: str) -> bytes:
    return Path(path).read_bytes()


def main() -> None:
    job, answer = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job["cores"]])
    start = time.perf_counter()
    whole, bare, prepared, told = {"cutis": cutis_tool, "sklesion": sklesion_tool}[job["tool"]](job)
    loaded = time.perf_counter() - start
    images, warm = job["images"], job["images"][:WARM]
    whole_ms, bare_ms, probabilities, farthest = [], [], {}, 0.0
    for number, image in enumerate(warm + images):
        known = prepared(image)
        first = time.perf_counter()
        answered = whole(image)
        second = time.perf_counter()
        barely = bare(image, known)
        third = time.perf_counter()
        if number == 0:
            told["seconds_to_first_answer"] = second - start
        farthest = max(farthest, *(abs(a - b) for a, b in zip(answered, barely, strict=True)))
        if number >= len(warm):
            whole_ms.append(1000 * (second - first))
            bare_ms.append(1000 * (third - second))
            probabilities[image["id"]] = answered
    told |= {"seconds_to_load": loaded, "whole_and_bare_differ_by": farthest}
    answer.write_text(json.dumps({**told, "whole": whole_ms, "bare": bare_ms, "probabilities": probabilities}))


if __name__ == "__main__":
    main()
