// From a network's outputs to an answer, as cutis.clinic.answers makes it; every number of a model is in `facts`.

const GRADES = ["low", "high", "dangerous"];
const SMALLEST = 2.2250738585072014e-308; // the smallest normal double: at a threshold of 0 a ratio is still a number

// The fields of cutis.clinic.Answer that the photograph's quality does not decide.
//   logits: K, features: D or null, seen: "image" | "no"
export function answerOf(facts, { logits, features, seen }) {
  const probabilities = calibrated(facts.calibration, logits);
  const order = ranked(probabilities);
  const set = facts.conformal && conformalSet(facts.conformal, probabilities);
  const list = facts.thresholds && differential(facts.thresholds, probabilities);
  const risk = facts.risk && decided(facts.risk, probabilities);
  const score = facts.familiarity ? unfamiliarity(facts.familiarity, features) : null;
  const ids = facts.classes.map((each) => each.id);
  return {
    model: facts.name,
    diagnoses: order.map((k) => ({
      ...facts.classes[k],
      risk: facts.risk ? facts.risk.classes[k] : null,
      probability: Math.min(1, probabilities[k]),
      threshold: facts.thresholds ? facts.thresholds[k] : null,
      above: facts.thresholds ? reaches(facts.thresholds[k], probabilities[k]) : null,
      in_set: set ? set[k] : null,
    })),
    differential: list ? list.classes.map((k) => ids[k]) : [],
    above: list ? list.above : null,
    malignant: malignant(facts.classes, probabilities),
    conformal_coverage: facts.conformal ? facts.conformal.coverage : null,
    conformal_set: set ? order.filter((k) => set[k]).map((k) => ids[k]) : [],
    always_in_set: facts.conformal ? ids.filter((_, k) => facts.conformal.limits[k] === null) : [],
    risk: risk ? risk.grade : null,
    risk_probabilities: risk ? risk.probabilities : null,
    unfamiliarity: score === null ? null : score.value,
    stranger_than: score === null ? null : score.strangerThan,
    seen_in_training: seen,
  };
}

// Logits through the bundle's scaling; cutis.evaluation.scaling.
export function calibrated(scaling, logits) {
  if (scaling.kind === "temperature") return softmax(logits.map((each) => each / scaling.temperature));
  if (scaling.kind === "vector") return softmax(logits.map((each, k) => each * scaling.scale[k] + scaling.shift[k]));
  if (scaling.kind !== "isotonic") throw new Error(`the calibration '${scaling.kind}' is not known here`);
  const after = softmax(logits).map((each, k) => interpolated(each, scaling.said[k], scaling.meant[k]));
  const total = after.reduce((sum, each) => sum + each, 0);
  return after.map((each) => each / total);
}

function softmax(values) {
  const largest = Math.max(...values), powers = values.map((each) => Math.exp(each - largest));
  const total = powers.reduce((sum, each) => sum + each, 0);
  return powers.map((each) => each / total);
}

// A curve's value, linear between its points and level beyond them.
function interpolated(value, xs, ys) {
  const above = xs.findIndex((x) => x > value);
  if (above === -1) return ys[ys.length - 1];
  if (above === 0) return ys[0];
  const share = (value - xs[above - 1]) / (xs[above] - xs[above - 1]);
  return ys[above - 1] + share * (ys[above] - ys[above - 1]);
}

function ranked(values) {
  return values.map((_, k) => k).sort((a, b) => values[b] - values[a] || a - b);
}

function reaches(threshold, probability) {
  return threshold !== null && probability >= threshold;
}

// Han 2018: every class that reaches its own threshold, by its ratio to it; else the nearest one.
function differential(thresholds, probabilities) {
  const merit = probabilities.map((each, k) => (thresholds[k] === null ? 0 : each / Math.max(thresholds[k], SMALLEST)));
  const order = ranked(merit), named = order.filter((k) => reaches(thresholds[k], probabilities[k]));
  return { classes: named.length ? named : order.slice(0, 1), above: named.length > 0 };
}

// Which classes the set holds; a limit of null holds its class always.
export function conformalSet({ score, limits }, probabilities) {
  const scores = probabilities.map((each) => 1 - each);
  if (score === "aps") {
    let before = 0;
    for (const k of ranked(probabilities)) { scores[k] = before; before += probabilities[k]; }
  } else if (score !== "lac") throw new Error(`the score '${score}' is not known here`);
  return scores.map((each, k) => limits[k] === null || each <= limits[k]);
}

function malignant(classes, probabilities) {
  if (classes.some((each) => !["benign", "premalignant", "malignant"].includes(each.malignancy))) return null;
  return probabilities.reduce((sum, each, k) => (classes[k].malignancy === "benign" ? sum : sum + each), 0);
}

// Zhao 2019: the grade of least expected cost; of equal ones the most dangerous. cost[truth][decision].
export function decided({ classes, cost }, probabilities) {
  const shares = GRADES.map((grade) => probabilities.reduce((sum, each, k) => (classes[k] === grade ? sum + each : sum), 0));
  const costs = GRADES.map((_, decision) => shares.reduce((sum, share, truth) => sum + share * cost[truth][decision], 0));
  const limit = Math.min(...costs) + 1e-9 * Math.max(...costs);
  const chosen = costs.findLastIndex((each) => each <= limit);
  return { grade: GRADES[chosen], probabilities: Object.fromEntries(GRADES.map((grade, k) => [grade, shares[k]])) };
}

// Sun 2022: distance to the n-th nearest training image; 0 is a median validation image, 1 the limit 95 % keep.
//   learnt: Float64Array of rows × dimensions, each of length 1
export function unfamiliarity({ neighbours, median, limit_95, limit_99, learnt }, features) {
  const dimensions = features.length;
  let length = 0;
  for (const each of features) length += each * each;
  length = Math.sqrt(length) || 1;
  const unlike = new Float64Array(learnt.length / dimensions);
  for (let row = 0, at = 0; row < unlike.length; row++) {
    let product = 0;
    for (let i = 0; i < dimensions; i++, at++) product += learnt[at] * features[i];
    unlike[row] = 1 - product / length;
  }
  const distance = Math.sqrt(Math.max(2 * unlike.sort()[neighbours - 1], 0));
  const scaled = (each) => (each - median) / (limit_95 - median);
  const value = scaled(distance);
  return { value, strangerThan: value > scaled(limit_99) ? 99 : value > scaled(limit_95) ? 95 : null };
}

// What is known of the patient as the model's codes, in its order; what is not known is 0.
export function patientCodes({ fields, codes }, patient) {
  return fields.map((field) => codes[field][patient[field]] ?? 0);
}

// The tensor `features` of a safetensors file of half-precision numbers, each row scaled to length 1.
export function learntFeatures(buffer) {
  const view = new DataView(buffer), start = 8 + Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, start - 8)));
  const { dtype, shape: [rows, dimensions], data_offsets: [from] } = header.features;
  if (dtype !== "F16") throw new Error(`the features are ${dtype}, not F16`);
  const learnt = new Float64Array(rows * dimensions);
  for (let row = 0; row < rows; row++) {
    let length = 0;
    for (let i = row * dimensions; i < (row + 1) * dimensions; i++) {
      const value = half(view.getUint16(start + from + 2 * i, true));
      learnt[i] = value;
      length += value * value;
    }
    length = Math.sqrt(length) || 1;
    for (let i = row * dimensions; i < (row + 1) * dimensions; i++) learnt[i] /= length;
  }
  return learnt;
}

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, power = (bits >> 10) & 0x1f, rest = bits & 0x3ff;
  return sign * (power ? 2 ** (power - 15) * (1 + rest / 1024) : 2 ** -14 * (rest / 1024));
}
