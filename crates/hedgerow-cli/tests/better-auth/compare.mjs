// What an answer lacks against the recorded one. `node compare.mjs GOLDEN FILE` compares two files whole; with --as hedgerow
// steps that carry `differs` are held to the answer given there.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Headers that may be added without being asked for; every other known one must be absent where the reference has none. */
const MAY_BE_ADDED = new Set(["content-type", "cache-control", "pragma"]);

/** Equal, keys in the same order; "<any>" in the golden fits everything. */
export function fits(golden, given) {
  if (golden === "<any>") return given !== undefined;
  if (Array.isArray(golden)) {
    return Array.isArray(given) && golden.length === given.length && golden.every((item, at) => fits(item, given[at]));
  }
  if (golden && typeof golden === "object") {
    if (!given || typeof given !== "object" || Array.isArray(given)) return false;
    const names = Object.keys(golden);
    return Object.keys(given).join() === names.join() && names.every((name) => fits(golden[name], given[name]));
  }
  return golden === given;
}

/** A list of differences, in words. */
export function differences(golden, given) {
  const found = [];
  const say = (what, want, got) => found.push(`${what}\n    reference ${JSON.stringify(want)}\n    answered  ${JSON.stringify(got)}`);
  if (!given) return ["was not asked"];
  if (golden.status !== given.status) say("status", golden.status, given.status);
  const isEmpty = golden.body === undefined;
  for (const [name, value] of Object.entries(golden.headers ?? {})) {
    if (isEmpty && name === "content-type") continue;
    if (!fits(value, given.headers?.[name])) say(`header ${name}`, value, given.headers?.[name]);
  }
  for (const [name, value] of Object.entries(given.headers ?? {})) {
    if (!golden.headers?.[name] && !MAY_BE_ADDED.has(name)) say(`header ${name}`, undefined, value);
  }
  for (const part of ["body", "mail", "rows"]) {
    const same = golden[part] === undefined ? given[part] === undefined : fits(golden[part], given[part]);
    if (!same) say(part, golden[part], given[part]);
  }
  return found;
}

/** What differs between two recordings; `as` "hedgerow" takes the answers that `differs` gives. */
export function compare(golden, given, as) {
  const found = [];
  const byName = new Map(given.map((answer) => [answer.name, answer]));
  for (const step of golden) {
    const want = as === "hedgerow" && step.differs ? { ...step, ...step.differs.answer } : step;
    for (const what of differences(want, byName.get(step.name))) found.push(`${step.name}: ${what}`);
    byName.delete(step.name);
  }
  for (const name of byName.keys()) found.push(`${name}: is not in the recording`);
  return found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [golden, given, , as] = process.argv.slice(2);
  const found = compare(JSON.parse(readFileSync(golden)), JSON.parse(readFileSync(given)), as);
  for (const line of found) console.log(line);
  console.log(found.length === 0 ? "equal" : `${found.length} differences`);
  process.exit(found.length === 0 ? 0 : 1);
}
