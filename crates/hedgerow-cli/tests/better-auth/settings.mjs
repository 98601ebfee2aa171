// What every program of this folder knows: the secret, the profiles, the client of the fake GitLab, and how arguments are read.
import { createHmac } from "node:crypto";

/** The secret that reference servers sign with, and that Hedgerow must be given when it is compared. */
export const SECRET = "conformance-secret-0123456789-abcdefghijklmnop";

/** The profiles a server is started with, and a recording is made of. */
export const PROFILES = ["core", "verify", "secure", "limited", "plugins"];

export const GITLAB = { clientId: "gl-client", clientSecret: "gl-secret" };
export const GOOGLE = { clientId: "google-client", clientSecret: "google-secret" };

/** `--name value` pairs, `--name` alone as true; a missing one of `needed` is said and ends the program. */
export function readArguments(needed = []) {
  const found = {};
  const list = process.argv.slice(2);
  for (let at = 0; at < list.length; at += 1) {
    if (!list[at].startsWith("--")) throw new Error(`what is ${list[at]}? Arguments are --name value`);
    const value = list[at + 1];
    const alone = value === undefined || value.startsWith("--");
    found[list[at].slice(2)] = alone ? true : value;
    if (!alone) at += 1;
  }
  for (const name of needed) if (found[name] === undefined) throw new Error(`--${name} is missing`);
  return found;
}

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Asks `look` until it answers something, for at most `seconds`. */
export async function until(what, look, seconds = 10) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}`);
    await pause(20);
  }
}

/** The signature of a cookie value. */
export const sign = (value, secret) => createHmac("sha256", secret).update(value).digest("base64");

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const lastStep = new Map();

/** A code of an otpauth:// address. No code is given out twice, so a server that takes each code once is content too. */
export async function totp(uri) {
  const letters = new URL(uri).searchParams.get("secret");
  let bits = "";
  for (const letter of letters) bits += BASE32.indexOf(letter).toString(2).padStart(5, "0");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const now = () => Math.floor(Date.now() / 30_000);
  const step = Math.max((lastStep.get(letters) ?? 0) + 1, now() - 1);
  lastStep.set(letters, step);
  await until("the next time step", () => step <= now() + 1, 61);
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac("sha1", key).update(counter).digest();
  const at = mac[19] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}
