// Records the answers of the real Better Auth: `node record.mjs --server postgres://… [--profile P] [--check]`. Each profile is
// recorded twice, on two new databases of that PostgreSQL server; both recordings must be equal. --check writes nothing and
// fails where the committed answers differ.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compare } from "./compare.mjs";
import { drive } from "./drive.mjs";
import { flowsOf } from "./flows.mjs";
import { PROFILES, readArguments } from "./settings.mjs";
import { startedReference, withDatabase } from "./started.mjs";

const given = readArguments(["server"]);
const folder = mkdtempSync(join(tmpdir(), "record-"));

async function record(profile, time) {
  return withDatabase(given.server, `record_${profile}_${process.pid}`, async (database) => {
    const mail = join(folder, `${profile}-${time}.jsonl`);
    const server = await startedReference({ profile, database, mail });
    try {
      return await drive({ base: server.base, profile, database, mail: `node:${mail}` });
    } finally {
      await server.stop();
    }
  });
}

/** What Hedgerow answers where it is stricter, beside the reference's answer. */
function withDifferences(profile, answers) {
  const steps = new Map(flowsOf(profile).map((step, at) => [step.name, { step, number: at + 1 }]));
  return answers.map((answer) => {
    const known = steps.get(answer.name);
    if (!known?.step.differs) return answer;
    const { reason, set = {}, ...whole } = known.step.differs;
    const other = { ...structuredClone({ status: answer.status, headers: answer.headers, body: answer.body }), ...whole };
    for (const [path, value] of Object.entries(set)) put(other, path.split("."), value);
    const numbered = JSON.stringify(other).replace(/<(token|id):\.(\d+)>/g, `<$1:${known.number}.$2>`);
    return { ...answer, differs: { reason, answer: JSON.parse(numbered) } };
  });
}

function put(target, [name, ...rest], value) {
  if (name === "*") return target.forEach((item) => put(item, rest, value));
  if (rest.length > 0) return put(target[name], rest, value);
  if (value === null) delete target[name];
  else target[name] = value;
}

let failed = false;
for (const profile of given.profile ? [given.profile] : PROFILES) {
  const [first, second] = [await record(profile, 1), await record(profile, 2)];
  const unequal = compare(first, second);
  const file = new URL(`answers/${profile}.json`, import.meta.url);
  const text = `${JSON.stringify(withDifferences(profile, first), null, 1)}\n`;
  if (JSON.stringify(first) !== JSON.stringify(second)) unequal.push("two recordings are not the same text");
  if (given.check && readFileSync(file, "utf8") !== text) {
    unequal.push(...compare(JSON.parse(readFileSync(file)), first), "the committed answers are not these");
  }
  for (const line of unequal) console.error(`${profile}: ${line}`);
  failed ||= unequal.length > 0;
  if (!given.check && unequal.length === 0) writeFileSync(file, text);
  console.log(`${profile}: ${first.length} answers, recorded twice${unequal.length === 0 ? ", equal" : ""}`);
}
rmSync(folder, { recursive: true });
process.exit(failed ? 1 : 0);
