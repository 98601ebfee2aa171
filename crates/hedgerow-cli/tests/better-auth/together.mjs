// Two servers on one database and one secret: `node together.mjs --base URL --other URL --database URL [--plugins]`. Whatever
// one of them does holds for the other at once, in both directions.
import { randomBytes } from "node:crypto";
import { createLocalJWKSet, jwtVerify } from "jose";
import pg from "pg";
import { Browser, must } from "./browser.mjs";
import { readArguments, totp } from "./settings.mjs";

const given = readArguments(["base", "other", "database"]);
const run = randomBytes(4).toString("hex");
const database = new pg.Client({ connectionString: given.database });
const password = "password-1234";
const api = (path) => `/api/auth${path}`;

/** The same browser before another server. */
function at(base, browser) {
  const there = new Browser(base);
  if (browser) there.cookies = browser.cookies;
  return there;
}

const session = async (base, browser) => (await at(base, browser).ask("GET", api("/get-session"))).body;
const bearer = async (base, token) =>
  (await new Browser(base).ask("GET", api("/get-session"), undefined, { headers: { authorization: `Bearer ${token}` } })).body;

async function post(what, base, browser, path, body, status = 200) {
  const answer = await at(base, browser).ask("POST", api(path), body);
  must(`${what} must answer ${status}`, answer.status === status, [answer.status, answer.body]);
  return answer;
}

async function signedIn(base, email, word = password) {
  const browser = new Browser(base);
  const answer = await post(`sign-in at ${base}`, base, browser, "/sign-in/email", { email, password: word });
  return Object.assign(browser, { user: answer.body.user, token: answer.body.token, signed: answer.headers.get("set-auth-token") });
}

async function signedUp(base, name) {
  const email = `${name}.${run}@example.com`;
  await post(`sign-up at ${base}`, base, new Browser(base), "/sign-up/email", { name, email, password });
  return { email, ...(await signedIn(base, email)) };
}

/** What `here` does, seen from `there`. */
async function oneWay(here, there, name) {
  const ann = await signedUp(here, `ann-${name}`);
  const seen = [await session(here, ann), await session(there, ann)];
  must("both know the session of a cookie", seen[1]?.user?.id === ann.user.id, seen[1]);
  must("both say the same of it, letter by letter", JSON.stringify(seen[0]) === JSON.stringify(seen[1]), seen);
  for (const token of [ann.token, ann.signed]) {
    must("both know the session of a bearer", (await bearer(there, token))?.user?.id === ann.user.id, token === ann.token);
  }
  const forged = { cookies: new Map([...ann.cookies].map(([key, value]) => [key, `x${value}`])) };
  must("neither believes a forged cookie", (await session(there, forged)) === null);

  const second = await signedIn(there, ann.email);
  must("a password set here signs in there", second.user.id === ann.user.id);
  must("a session of there is one here", (await session(here, second))?.session.token === second.token);
  await post("change-password", there, second, "/change-password", { currentPassword: password, newPassword: "password-5678" });
  const third = await signedIn(here, ann.email, "password-5678");
  await post("the old password", here, undefined, "/sign-in/email", { email: ann.email, password }, 401);

  await post("update-user", here, third, "/update-user", { name: "Ann L." });
  must("a change here is seen there", (await session(there, third)).user.name === "Ann L.");
  await post("sign-out", there, { cookies: new Map(third.cookies) }, "/sign-out", {});
  must("sign-out there ends the session here", (await session(here, third)) === null);
  must("and that of its bearer", (await bearer(here, third.signed)) === null);
  must("and no other one", (await session(here, second))?.user.id === ann.user.id);
  await post("revoke-session", here, ann, "/revoke-session", { token: second.token });
  must("a session revoked here is none there", (await session(there, { cookies: new Map(second.cookies) })) === null);

  const [root, bob] = [await signedUp(here, `root-${name}`), await signedUp(there, `bob-${name}`)];
  await database.query(`UPDATE "user" SET role = 'admin' WHERE id = $1`, [root.user.id]);
  await post("ban-user", here, root, "/admin/ban-user", { userId: bob.user.id, banReason: "spam" });
  must("a user banned here has no session there", (await session(there, { cookies: new Map(bob.cookies) })) === null);
  const word = { email: bob.email, password };
  const banned = await post("sign-in of a banned user", there, undefined, "/sign-in/email", word, 403);
  must("a user banned here may not sign in there", banned.body.code === "BANNED_USER", banned.body);
  await post("unban-user", there, root, "/admin/unban-user", { userId: bob.user.id });
  const back = await signedIn(here, bob.email);
  await post("revoke-user-sessions", there, root, "/admin/revoke-user-sessions", { userId: bob.user.id });
  must("an administrator there ends sessions here", (await session(here, { cookies: new Map(back.cookies) })) === null);
  await post("delete-user", there, ann, "/delete-user", { password: "password-5678" });
  must("a user deleted there is none here", (await session(here, { cookies: new Map(ann.cookies) })) === null);
}

/** What only servers with the plugins do. */
async function plugins(here, there, name) {
  const kim = await signedUp(here, `kim-${name}`);
  const { body } = await at(here, kim).ask("GET", api("/token"));
  const keys = createLocalJWKSet((await new Browser(there).ask("GET", api("/jwks"))).body);
  const { payload } = await jwtVerify(body.token, keys, { issuer: new URL(here).origin });
  must("a token of here is good by the keys of there", payload.sub === kim.user.id, payload);
  const made = await at(there, kim).ask("GET", api("/token"));
  await jwtVerify(made.body.token, keys, { issuer: new URL(there).origin });

  const second = await post("two-factor/enable", here, kim, "/two-factor/enable", { password });
  const { totpURI, backupCodes } = second.body;
  await post("verify-totp", there, kim, "/two-factor/verify-totp", { code: await totp(totpURI) });
  const device = new Browser(there);
  const asked = await post("sign-in", there, device, "/sign-in/email", { email: kim.email, password });
  must("a second factor of here is asked for there", asked.body.twoFactorRedirect === true, asked.body);
  await post("verify-totp", there, device, "/two-factor/verify-totp", { code: await totp(totpURI), trustDevice: true });
  const trusted = await post("sign-in", here, device, "/sign-in/email", { email: kim.email, password });
  must("a device that is trusted there is trusted here", trusted.body.token?.length === 32, trusted.body);
  const lost = new Browser(here);
  await post("sign-in", here, lost, "/sign-in/email", { email: kim.email, password });
  await post("a challenge of here, a backup code there", there, lost, "/two-factor/verify-backup-code", { code: backupCodes[0] });
  must("a backup code signs in", (await session(here, lost))?.user.id === kim.user.id);
}

await database.connect();
try {
  for (const [here, there, name] of [[given.base, given.other, "a"], [given.other, given.base, "b"]]) {
    await oneWay(here, there, name);
    if (given.plugins) await plugins(here, there, name);
    console.log(`ok  what ${here} does holds for ${there}`);
  }
} finally {
  await database.end();
}
