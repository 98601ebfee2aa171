// A browser as far as sign-in sees one: it keeps cookies, says where its page is from, and follows no redirect by itself.
import { createAuthClient } from "better-auth/client";
import { adminClient, emailOTPClient, jwtClient, magicLinkClient, twoFactorClient, usernameClient } from "better-auth/client/plugins";

export class Browser {
  cookies = new Map();

  constructor(base, { bearer } = {}) {
    this.base = base;
    this.client = createAuthClient({
      baseURL: base,
      plugins: [adminClient(), emailOTPClient(), jwtClient(), magicLinkClient(), twoFactorClient(), usernameClient()],
      fetchOptions: {
        customFetchImpl: (url, options) => this.fetch(url, options),
        ...(bearer && { auth: { type: "Bearer", token: bearer } }),
      },
    });
  }

  /** A fetch with this browser's cookies. */
  async fetch(address, options = {}) {
    const headers = new Headers(options.headers);
    headers.set("origin", this.base);
    if (this.cookies.size > 0) headers.set("cookie", [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; "));
    const response = await fetch(address, { ...options, headers, redirect: "manual", signal: AbortSignal.timeout(30_000) });
    this.#keep(response);
    return response;
  }

  #keep(response) {
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split("; ");
      const at = pair.indexOf("=");
      if (attributes.includes("Max-Age=0")) this.cookies.delete(pair.slice(0, at));
      else this.cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
  }

  /** A request of no client: its status, its address to go to, its body. */
  async ask(method, path, body, more = {}) {
    const headers = { ...more.headers, ...(body && { "content-type": "application/json" }) };
    const response = await this.fetch(new URL(path, this.base), { method, headers, body: body && JSON.stringify(body) });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.startsWith("application/json") && text !== "";
    return { status: response.status, location: response.headers.get("location"), headers: response.headers, body: isJson ? JSON.parse(text) : text };
  }
}

/** Fails with `what`, and what was seen instead. */
export function must(what, holds, seen) {
  if (!holds) throw new Error(`${what}${seen === undefined ? "" : `; seen: ${JSON.stringify(seen)}`}`);
}

/** What a call of the client answers, which must be no error. */
export async function good(what, call) {
  const { data, error } = await call;
  must(`${what} must work`, error === null, error);
  return data;
}

/** A call of the client that must be refused with this status and code. */
export async function refused(what, call, status, code) {
  const { data, error } = await call;
  must(`${what} must be refused with ${status} ${code}`, error?.status === status && error?.code === code, error ?? data);
}
