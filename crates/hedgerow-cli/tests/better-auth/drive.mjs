// Asks a server all that the flows of a profile ask, and writes what it answered, normalised: `node drive.mjs --base URL
// --profile P --database URL --mail node:FILE|hedgerow:FOLDER --out FILE [--expect GOLDEN --as hedgerow]`. The login of
// --database must see and change all rows of the sign-in tables: steps age sessions and count them.
import { readFileSync, writeFileSync } from "node:fs";
import { request as send } from "node:http";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { compare } from "./compare.mjs";
import { flowsOf } from "./flows.mjs";
import { Mailbox } from "./mail.mjs";
import { Normaliser, tokenOf } from "./normalise.mjs";
import { SECRET, readArguments, totp } from "./settings.mjs";

/** Sends exactly what it is told to, unlike fetch, which adds headers that change the answer. */
export function ask(base, { method = "GET", path, headers = {}, text }) {
  const { hostname, port } = new URL(base);
  return new Promise((done, fail) => {
    const options = { hostname, port, method, path, headers: { "user-agent": "drive", ...headers }, agent: false };
    if (text !== undefined) options.headers["content-length"] = Buffer.byteLength(text);
    else if (method !== "GET") options.headers["content-length"] = 0;
    const going = send(options, async (response) => {
      let body = "";
      for await (const part of response) body += part;
      done({ status: response.statusCode, headers: response.headers, text: body });
    });
    going.setTimeout(30_000, () => going.destroy(new Error(`${method} ${path}: no answer in 30 s`)));
    going.on("error", fail);
    going.end(text);
  });
}

class Drive {
  #values = new Map();
  #jars = new Map();

  constructor(base, database, mailbox) {
    this.base = base;
    this.database = database;
    this.mailbox = mailbox;
    this.normal = new Normaliser(base, SECRET);
    this.#values.set("base", base);
  }

  /** {{name}} becomes the captured value, {{enc:name}} the same percent-encoded. */
  #fill(value) {
    if (typeof value === "string") {
      return value.replace(/\{\{(enc:)?(\w+)\}\}/g, (_, encode, name) => {
        if (!this.#values.has(name)) throw new Error(`nothing was captured as ${name}`);
        const found = this.#values.get(name);
        return encode ? encodeURIComponent(found) : found;
      });
    }
    if (Array.isArray(value)) return value.map((item) => this.#fill(item));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.#fill(item)]));
    }
    return value;
  }

  async step(step, number) {
    this.normal.begin(number);
    if (step.totp) this.#values.set("totp", await totp(this.#fill(step.totp)));
    if (step.visit) await this.#visit(step.visit);
    if (step.sql) {
      const rows = await this.#sql(this.#fill(step.sql));
      if (!step.request) return { name: step.name, rows: this.normal.body(rows) };
    }
    const answer = await ask(this.base, this.#request(step));
    this.#keep(step, answer);
    const given = { name: step.name, status: answer.status };
    const isJson = answer.headers["content-type"]?.startsWith("application/json") && answer.text !== "";
    const body = isJson ? JSON.parse(answer.text) : answer.text || undefined;
    if (step.oldestFirst) list(body, step.oldestFirst).sort((a, b) => a.createdAt.localeCompare(b.createdAt));
    given.headers = this.normal.headers(answer.headers);
    if (typeof body === "string" && /^<!doctype html/i.test(body)) given.body = "<page>";
    else if (body !== undefined) given.body = this.normal.body(body);
    for (const [name, from] of Object.entries(step.capture ?? {})) this.#values.set(name, this.#captured(from, body, answer));
    if (step.mail) given.mail = await this.#mail(step.mail);
    return given;
  }

  async #sql(text) {
    try {
      return (await this.database.query(text)).rows;
    } catch (error) {
      throw new Error(`${text}: ${error.message}`);
    }
  }

  /** Goes where a browser would be sent to, the fake GitLab, and captures where that sends it back to. */
  async #visit({ from, as }) {
    const url = new URL(this.#values.get(from));
    url.searchParams.set("as", this.#fill(as));
    const answer = await ask(url.origin, { path: url.pathname + url.search });
    const back = new URL(answer.headers.location);
    this.#values.set("back", back.pathname + back.search);
  }

  #request({ request, jar, newJar, noJar }) {
    const { method = "GET", path, body, form, origin } = request;
    const headers = {};
    let text = request.text;
    if (body !== undefined) {
      headers["content-type"] = "application/json";
      text = JSON.stringify(this.#fill(body));
    } else if (form) {
      headers["content-type"] = "application/x-www-form-urlencoded";
      text = new URLSearchParams(this.#fill(form)).toString();
    }
    if (origin !== undefined ? origin : method !== "GET") headers.origin = origin === undefined ? this.base : this.#fill(origin);
    if (newJar) this.#jars.set(newJar, new Map());
    const cookies = this.#jars.get(jar ?? newJar);
    if (jar && !cookies) throw new Error(`there is no jar ${jar}`);
    if (cookies?.size && !noJar) headers.cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    for (const [name, value] of Object.entries(request.headers ?? {})) headers[name] = this.#fill(value);
    return { method, path: this.#fill(path), headers, text };
  }

  /** As a browser keeps cookies: Max-Age=0 takes one away. */
  #keep({ jar, newJar }, { headers }) {
    const cookies = this.#jars.get(jar ?? newJar);
    for (const line of cookies ? (headers["set-cookie"] ?? []) : []) {
      const [pair] = line.split("; ");
      const at = pair.indexOf("=");
      if (/; max-age=0(;|$)/i.test(line)) cookies.delete(pair.slice(0, at));
      else cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
  }

  #captured(from, body, { headers }) {
    const [where, ...path] = from.split(".");
    let found;
    if (where === "body") found = path.reduce((value, name) => value?.[name], body);
    else if (where === "header") found = headers[path[0]];
    else if (where === "cookie") {
      const pair = (headers["set-cookie"] ?? []).find((line) => line.includes(`.${path[0]}=`));
      found = pair?.split("; ")[0].split("=").slice(1).join("=");
    }
    // A server that refuses must not end the drive: what needs the value will differ too.
    return found ?? `missing-${path.join("-")}`;
  }

  async #mail({ template, to, capture = {} }) {
    let mail;
    try {
      mail = await this.mailbox.next(template, to, 5);
    } catch (error) {
      for (const name of Object.values(capture)) this.#values.set(name, "missing-mail");
      return error.message;
    }
    const path = mail.url && mail.url.replace(this.base, "");
    const parts = { url: mail.url, path, token: mail.url && tokenOf(mail.url), code: mail.code };
    for (const [part, name] of Object.entries(capture)) this.#values.set(name, parts[part]);
    const said = { template, to };
    if (mail.url) said.url = this.normal.link(mail.url);
    if (mail.code) said.code = /^\d{6}$/.test(mail.code) ? "<code>" : mail.code;
    return said;
  }
}

const list = (body, path) => path.split(".").filter(Boolean).reduce((value, name) => value?.[name], body) ?? [];

/** All answers of a server to the flows of a profile. */
export async function drive({ base, profile, database, mail }) {
  const client = new pg.Client({ connectionString: database });
  await client.connect();
  const mailbox = new Mailbox(mail);
  const driver = new Drive(base, client, mailbox);
  const answers = [];
  try {
    for (const [at, step] of flowsOf(profile).entries()) {
      try {
        answers.push(await driver.step(step, at + 1));
      } catch (error) {
        // A step that cannot be asked differs; those behind it are asked all the same.
        answers.push({ name: step.name, status: error.message });
      }
    }
  } finally {
    await client.end();
  }
  const all = await mailbox.rest(mail.startsWith("node:") ? 0 : 1000);
  // Hedgerow also tells people what happened to their account; Better Auth leaves that to its users.
  const notices = new Set(["existing-account", "password-changed", "email-changed"]);
  const rest = all.filter(({ template }) => !notices.has(template));
  answers.push({ name: "mails that no step awaits", rows: rest.map(({ template, to }) => `${template} ${to}`).sort() });
  return answers;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const given = readArguments(["base", "profile", "database", "mail", "out"]);
  const answers = await drive(given);
  writeFileSync(given.out, `${JSON.stringify(answers, null, 1)}\n`);
  if (given.expect) {
    const found = compare(JSON.parse(readFileSync(given.expect)), answers, given.as);
    for (const line of found) console.error(line);
    console.error(`${answers.length} answers, ${found.length} differences`);
    process.exit(found.length === 0 ? 0 : 1);
  }
}
