// Makes answers comparable: what is random or depends on the time becomes a placeholder that says what it was. Ids and tokens
// become <id:STEP.N> and <token:STEP.N> after the step that showed them first, so that an answer which differs moves no other.
// A date is <date+HOURSh> from now, and only with exactly three digits of fraction; a signature must hold.
import { sign } from "./settings.mjs";

const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const LIKE_A_DATE = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/;
const RANDOM = /^[A-Za-z0-9]{32}$/;
const JWT = /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/;
const ID_KEYS = new Set(["id", "userId", "accountId", "impersonatedBy", "sub", "kid"]);

export class Normaliser {
  #known = new Map();
  #step = 0;
  #counts = {};

  constructor(base, secret) {
    this.base = base;
    this.secret = secret;
  }

  /** All that follows belongs to this step, counted from 1. */
  begin(step) {
    this.#step = step;
    this.#counts = {};
  }

  name(kind, value) {
    if (!this.#known.has(value)) {
      this.#counts[kind] = (this.#counts[kind] ?? 0) + 1;
      this.#known.set(value, `<${kind}:${this.#step}.${this.#counts[kind]}>`);
    }
    return this.#known.get(value);
  }

  body(value, key = "") {
    if (Array.isArray(value)) return value.map((item) => this.body(item, key));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, this.body(item, name)]));
    }
    if (typeof value === "number" && (key === "iat" || key === "exp")) return after(value * 1000, 60_000, "m");
    return typeof value === "string" ? this.#text(value, key) : value;
  }

  #text(value, key) {
    if (DATE.test(value)) return after(Date.parse(value), 3_600_000, "h");
    if (LIKE_A_DATE.test(value)) return `<WRONG DATE ${value}>`;
    if (JWT.test(value)) return this.jwt(value);
    if (RANDOM.test(value) && ID_KEYS.has(key)) return this.name("id", value);
    if (RANDOM.test(value) && key === "token") return this.name("token", value);
    // The reference knows no address of a peer, only what a header says; without one it says "".
    if (key === "ipAddress" && ["", "127.0.0.1", "::1"].includes(value)) return "<no address or loopback>";
    if (key === "backupCodes" && /^[A-Za-z0-9]{5}-[A-Za-z0-9]{5}$/.test(value)) return "<backup code>";
    if (key === "x" && /^[\w-]{43}$/.test(value)) return "<public key>";
    return this.address(value);
  }

  /** A token for machines: what it says, in a form that can be read. */
  jwt(value) {
    const [head, claims] = value.split(".").slice(0, 2).map((part) => JSON.parse(Buffer.from(part, "base64url")));
    return { jwt: [this.body(head), this.body(claims)] };
  }

  /** An address or any other text: bases, states, challenges and known values replaced. */
  address(value) {
    let text = value.replaceAll(this.base, "<base>").replaceAll(encodeURIComponent(this.base), "<base>");
    text = text.replace(/http(:\/\/|%3A%2F%2F)127\.0\.0\.1(:|%3A)\d+/g, "<loopback>");
    text = text.replace(/(state=)[\w-]{32}/, "$1<state>").replace(/(code_challenge=)[\w-]{43}/, "$1<challenge>");
    text = text.replace(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g, "<jwt>");
    if (text.startsWith("otpauth:")) {
      text = text.replace(/secret=[A-Z2-7]{52}/, "secret=<secret>").replace(/\/totp\/[^:]+:/, "/totp/<issuer>:");
      text = text.replace(/issuer=[^&]+/, "issuer=<issuer>");
    }
    for (const [known, name] of this.#known) text = text.replaceAll(known, name);
    return text;
  }

  /** The address in a mail; the token in it gets a name. */
  link(value) {
    const token = tokenOf(value);
    if (token && !JWT.test(token)) this.name("token", token);
    return this.address(value);
  }

  cookie(line) {
    const [pair, ...attributes] = line.split("; ");
    const at = pair.indexOf("=");
    const [name, raw] = [pair.slice(0, at), pair.slice(at + 1)];
    return [`${name}=${raw === "" ? "" : this.#cookieValue(name, raw)}`, ...attributes].join("; ");
  }

  #cookieValue(name, raw) {
    const text = decodeURIComponent(raw);
    if (encodeURIComponent(text) !== raw) return `<WRONG ENCODING ${raw}>`;
    return this.signed(name, text);
  }

  signed(name, text) {
    const at = text.lastIndexOf(".");
    const value = text.slice(0, at);
    if (sign(value, this.secret) !== text.slice(at + 1)) return `<WRONG SIGNATURE ${text}>`;
    return `${this.#plain(name, value)}.<signature>`;
  }

  #plain(name, value) {
    if (name.endsWith(".state")) return "<state>";
    if (name.endsWith(".two_factor")) return "<challenge>";
    if (name.endsWith(".trust_device")) return value.replace(/^[\w-]{43}!.+$/, "<mac>!<device>");
    if (name.endsWith(".admin_session")) {
      const [token, ...rest] = value.split(":");
      return [this.name("token", token), ...rest].join(":");
    }
    return RANDOM.test(value) ? this.name("token", value) : value;
  }

  headers(headers) {
    const kept = {};
    if (headers["content-type"]) kept["content-type"] = headers["content-type"].split(";")[0];
    for (const name of ["access-control-expose-headers", "cache-control", "pragma"]) {
      if (headers[name]) kept[name] = headers[name];
    }
    if (headers.location !== undefined) kept.location = this.address(headers.location);
    if (headers["set-auth-token"]) kept["set-auth-token"] = this.signed("session_token", headers["set-auth-token"]);
    if (headers["set-auth-jwt"]) kept["set-auth-jwt"] = this.jwt(headers["set-auth-jwt"]);
    if (headers["x-retry-after"]) {
      kept["x-retry-after"] = /^([1-9]|[1-5]\d|60)$/.test(headers["x-retry-after"]) ? "<seconds>" : headers["x-retry-after"];
    }
    if (headers["set-cookie"]) kept["set-cookie"] = headers["set-cookie"].map((line) => this.cookie(line));
    return kept;
  }
}

function after(then, unit, letter) {
  const count = Math.round((then - Date.now()) / unit);
  return count === 0 ? "<date>" : `<date${count > 0 ? "+" : ""}${count}${letter}>`;
}

/** The token in a link of a mail, in its query or at the end of its path. */
export function tokenOf(link) {
  const url = new URL(link);
  return url.searchParams.get("token") ?? url.pathname.match(/\/reset-password\/([^/]+)$/)?.[1];
}
