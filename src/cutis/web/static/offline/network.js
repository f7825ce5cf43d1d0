// The bundle's network in ONNX Runtime, compiled to WebAssembly: one thread, so that no page needs to be isolated.

import * as ort from "./vendor/ort.wasm.bundle.min.mjs";
import { fitImage, networkInput } from "./resizing.js";

const FLIPS = [[false, false], [true, false], [false, true], [true, true]]; // across, down: the order of bundle.views

export class Network {
  // runtime, model: ArrayBuffers of the WebAssembly file and of model.onnx.
  static async load(facts, runtime, model) {
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = runtime;
    ort.env.logLevel = "error";
    return new Network(facts, await ort.InferenceSession.create(new Uint8Array(model), { executionProviders: ["wasm"] }));
  }

  constructor(facts, session) {
    this.facts = facts;
    this.session = session;
  }

  // Logits (K) and features (D, or null) of an image, means over the bundle's views; codes: the patient's, or [].
  async outputs(image, codes) {
    const { decoded, inference, aspect } = this.facts.image;
    const fitted = networkInput(fitImage(image, ...decoded, aspect), ...inference);
    const names = this.facts.familiarity ? ["logits", "features"] : ["logits"];
    const sums = {};
    for (const flip of FLIPS.slice(0, this.facts.views)) {
      const feed = { images: new ort.Tensor("float32", planes(fitted, ...flip), [1, 3, ...inference]) };
      if (codes.length) feed.patient = new ort.Tensor("int64", BigInt64Array.from(codes, BigInt), [1, codes.length]);
      const found = await this.session.run(feed, names);
      for (const name of names) {
        const values = found[name].data;
        sums[name] ??= new Float32Array(values.length);
        values.forEach((value, place) => { sums[name][place] += value; });
      }
    }
    const mean = (name) => (sums[name] ? Array.from(sums[name], (each) => Math.fround(each / this.facts.views)) : null);
    return { logits: mean("logits"), features: mean("features") };
  }
}

// Bytes of height × width × 3 as 3 × height × width in [0, 1], mirrored as asked.
function planes({ data, height, width }, across, down) {
  const out = new Float32Array(data.length);
  let to = 0;
  for (let channel = 0; channel < 3; channel++) {
    for (let y = 0; y < height; y++) {
      const row = (down ? height - 1 - y : y) * width;
      for (let x = 0; x < width; x++) out[to++] = data[(row + (across ? width - 1 - x : x)) * 3 + channel] / 255;
    }
  }
  return out;
}
