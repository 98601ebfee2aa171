// The mails a server sent, each handed out once: `node:FILE` is the reference's list, `hedgerow:FOLDER` the folder of
// Hedgerow's file transport. Hedgerow sends in the background, so one waits for a mail, and never for long.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pause, until } from "./settings.mjs";

/** The reference has one kind of mail for all codes; Hedgerow says in each what its code is for. */
const CODES = new Set(["verify-email-code", "reset-password-code", "two-factor-code"]);

export class Mailbox {
  #read;
  #given = new Set();

  constructor(where) {
    const [kind, ...rest] = where.split(":");
    const path = rest.join(":");
    if (kind === "node") this.#read = () => listOf(path);
    else if (kind === "hedgerow") this.#read = () => folderOf(path);
    else throw new Error(`mail ${where} is neither node:FILE nor hedgerow:FOLDER`);
    for (const { key } of this.#read()) this.#given.add(key);
  }

  /** The next mail of this template to this address: {template, to, url?, code?}. */
  async next(template, to, seconds = 10) {
    const found = await until(
      `a mail ${template} to ${to}`,
      () => this.#read().find(({ key, mail }) => !this.#given.has(key) && mail.template === template && mail.to === to),
      seconds,
    );
    this.#given.add(found.key);
    return found.mail;
  }

  /** What nobody asked for, after a moment in which a late one may still come. */
  async rest(ms = 0) {
    await pause(ms);
    return this.#read().filter(({ key }) => !this.#given.has(key)).map(({ mail }) => mail);
  }
}

function listOf(path) {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").filter(Boolean);
  return lines.map((line, key) => {
    const { type, to, url, code } = JSON.parse(line);
    return { key, mail: { template: type, to, url, code } };
  });
}

function folderOf(path) {
  if (!existsSync(path)) return [];
  const found = [];
  for (const key of readdirSync(path).filter((name) => name.endsWith(".json")).sort()) {
    try {
      const { template, to, url, code } = JSON.parse(readFileSync(join(path, key), "utf8"));
      const kind = CODES.has(template) ? "one-time-code" : template;
      found.push({ key, mail: { template: kind, to, url: url ?? undefined, code: code ?? undefined } });
    } catch {
      // Half written: the next look finds it whole.
    }
  }
  return found;
}
