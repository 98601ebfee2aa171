// Proves client.mjs and together.mjs on the reference itself: `node prove.mjs --server postgres://…`, with the login of a
// superuser, since the servers that run together have a login each.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { readArguments } from "./settings.mjs";
import { startedReference, withDatabase } from "./started.mjs";

const given = readArguments(["server"]);
const folder = mkdtempSync(join(tmpdir(), "prove-"));

function run(program, list) {
  const path = fileURLToPath(new URL(program, import.meta.url));
  const child = spawn(process.execPath, [path, ...list], { stdio: "inherit" });
  return new Promise((done, fail) => child.once("exit", (code) => (code === 0 ? done() : fail(new Error(`${program} ended with ${code}`)))));
}

async function withLogins(database, names, work) {
  const admin = new pg.Client({ connectionString: database });
  await admin.connect();
  try {
    for (const name of names) {
      await admin.query(`CREATE ROLE ${name} LOGIN PASSWORD 'node'`);
      await admin.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${name}`);
    }
    const urls = names.map((name) => Object.assign(new URL(database), { username: name, password: "node" }).href);
    await work(urls);
  } finally {
    for (const name of names) await admin.query(`DROP OWNED BY ${name}; DROP ROLE ${name}`);
    await admin.end();
  }
}

try {
  await withDatabase(given.server, `prove_${process.pid}`, async (database) => {
    const mail = join(folder, "mail.jsonl");
    const first = await startedReference({ profile: "plugins", database, mail });
    try {
      await run("client.mjs", ["--base", first.base, "--database", database, "--mail", `node:${mail}`]);
    } finally {
      await first.stop();
    }
    await withLogins(database, [`node_a_${process.pid}`, `node_b_${process.pid}`], async (urls) => {
      const servers = [];
      try {
        for (const url of urls) servers.push(await startedReference({ profile: "plugins", database: url, mail, migrate: "no" }));
        const [base, other] = servers.map((server) => server.base);
        await run("together.mjs", ["--base", base, "--other", other, "--database", database, "--plugins"]);
      } finally {
        for (const server of servers) await server.stop();
      }
    });
  });
} finally {
  rmSync(folder, { recursive: true });
}
