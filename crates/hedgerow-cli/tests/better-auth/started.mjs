// Reference servers as programs of their own: what they keep in memory begins empty and ends with them.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import pg from "pg";

/** Starts reference.mjs and waits until it is ready. */
export async function startedReference(given) {
  const list = Object.entries(given).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const program = fileURLToPath(new URL("reference.mjs", import.meta.url));
  const child = spawn(process.execPath, [program, ...list], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((done) => child.once("exit", done));
  const lines = createInterface({ input: child.stdout });
  const ready = new Promise((done) => lines.once("line", done));
  const line = await Promise.race([ready, ended]);
  if (typeof line !== "string") throw new Error(`reference.mjs ended with ${line}`);
  const stop = async () => {
    child.kill();
    await ended;
  };
  return { ...JSON.parse(line), stop };
}

/** Runs `work` with the URL of a database that is there only for it. */
export async function withDatabase(server, name, work) {
  const admin = new pg.Client({ connectionString: server });
  await admin.connect();
  try {
    await admin.query(`CREATE DATABASE ${name}`);
    try {
      const url = new URL(server);
      url.pathname = `/${name}`;
      return await work(url.href);
    } finally {
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
    }
  } finally {
    await admin.end();
  }
}
