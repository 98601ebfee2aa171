// Signing up and in, sessions and cookies, the own user and password.
import { get, post, rows } from "./steps.mjs";

const password = "password-1234";
const ada = { name: "Ada", email: "Ada@Example.com", password };
const signUp = (name, body, more) => post(name, "/sign-up/email", body, more);
const signIn = (name, body, more) => post(name, "/sign-in/email", { email: "ada@example.com", password, ...body }, more);
const session = (name, more, query = "") => get(name, `/get-session${query}`, more);
const cookie = (value) => ({ headers: { cookie: `better-auth.session_token=${value}` } });
const age = (column, days) =>
  `UPDATE "session" SET "${column}" = "${column}" - interval '${days} days' WHERE token = '{{adaToken}}'`;

export const sessions = [
  get("ok", "/ok"),
  get("unknown path", "/nope"),
  get("wrong method", "/sign-up/email"),
  get("trailing slash", "/ok/"),
  signUp("sign-up", ada, {
    newJar: "ada",
    capture: { ada: "body.user.id", adaToken: "body.token", adaCookie: "cookie.session_token", adaSigned: "header.set-auth-token" },
  }),
  signUp("sign-up, address taken", { ...ada, email: "ada@example.com" }),
  signUp("sign-up, bad address", { ...ada, email: "nope" }),
  signUp("sign-up, short password", { ...ada, email: "b@example.com", password: "short" }),
  signUp("sign-up, long password", { ...ada, email: "b@example.com", password: "x".repeat(129) }),
  signUp("sign-up, no name", { email: "b@example.com", password }),
  signUp("sign-up, several invalid fields", { email: 5, password: "" }),
  signUp("sign-up, no body", undefined),
  signUp("sign-up, no JSON", undefined, { text: "{nope", headers: { "content-type": "application/json" } }),
  signUp("sign-up, wrong media type", undefined, { text: "a=b", headers: { "content-type": "text/plain" } }),
  signUp("sign-up, sets role", { name: "Eve", email: "eve@example.com", password, role: "admin" }),
  signUp("sign-up, sets emailVerified", { name: "Ev2", email: "ev2@example.com", password, emailVerified: true }),
  signUp("sign-up, unknown field", { name: "Eve", email: "eve@example.com", password, foo: "bar" }, {
    newJar: "eve",
    capture: { eve: "body.user.id", eveToken: "body.token" },
  }),
  signUp("sign-up, not remembered", { name: "Rem", email: "rem@example.com", password, rememberMe: false }, { newJar: "rem" }),
  rows("how long sessions last", `SELECT u.email, round(extract(epoch FROM s."expiresAt" - s."createdAt") / 60)::int AS minutes FROM "session" s
    JOIN "user" u ON u.id = s."userId" ORDER BY 1`),
  signUp("sign-up by form", undefined, { form: { name: "Form", email: "form@example.com", password } }),

  signIn("sign-in", {}, { newJar: "ada2", capture: { ada2Token: "body.token" } }),
  signIn("sign-in, capital letters", { email: "ADA@EXAMPLE.COM" }),
  signIn("sign-in with callbackURL", { callbackURL: "/dashboard" }),
  signIn("sign-in, wrong password", { password: "wrong-password" }),
  signIn("sign-in, nobody", { email: "nobody@example.com", password: "wrong-password" }),
  signIn("sign-in, bad address", { email: "nobody", password: "x" }),
  signIn("sign-in, no password", { password: undefined }),
  signIn("sign-in, long password", { password: "x".repeat(129) }),
  signIn("sign-in, foreign callbackURL", { callbackURL: "https://evil.test/x" }),
  signIn("sign-in, callbackURL without scheme", { callbackURL: "//evil.test" }),
  signIn("sign-in, foreign origin", {}, { origin: "https://evil.test" }),
  signIn("sign-in, no origin", {}, { origin: false }),
  post("sign-in by form of another site", "/sign-in/email", undefined, {
    origin: false,
    form: { email: "ada@example.com", password },
    headers: { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" },
  }),
  signIn("sign-in of a browser without origin", {}, {
    origin: false,
    headers: { "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors" },
  }),
  signIn("sign-in, not remembered", { rememberMe: false }),

  session("session", { jar: "ada" }),
  session("session without cookie"),
  session("session, forged cookie", cookie("x{{adaCookie}}")),
  session("session, unsigned cookie", cookie("{{adaToken}}")),
  session("session, cookie that is not encoded", cookie("{{adaSigned}}")),
  post("session by POST", "/get-session", undefined, { jar: "ada" }),
  session("session, bearer", { headers: { authorization: "Bearer {{adaToken}}" } }),
  session("session, signed bearer", { headers: { authorization: "Bearer {{adaCookie}}" } }),
  session("session, nonsense as bearer", {
    headers: { authorization: "Bearer nope" },
    differs: { reason: "an unknown bearer token takes no cookies away", set: { "headers.set-cookie": null } },
  }),
  session("session of two days ago is made longer", { jar: "ada", sql: age("expiresAt", 2) }),
  session("session, disableRefresh", { jar: "ada", sql: age("expiresAt", 2) }, "?disableRefresh=true"),
  session("session is longer again", { jar: "ada" }),
  session("session that is not remembered stays as it is", {
    jar: "rem",
    sql: `UPDATE "session" SET "expiresAt" = "expiresAt" - interval '12 hours' WHERE "userId" =
      (SELECT id FROM "user" WHERE email = 'rem@example.com')`,
  }),
  signIn("sign-in for a session that ends", { email: "ev2@example.com" }, { newJar: "old", capture: { oldToken: "body.token" } }),
  session("session that has ended", {
    jar: "old",
    sql: `UPDATE "session" SET "expiresAt" = now() - interval '1 minute' WHERE token = '{{oldToken}}'`,
  }),
  rows("rows of the session that has ended", `SELECT count(*)::int AS rows FROM "session" WHERE token = '{{oldToken}}'`),

  get("sessions", "/list-sessions", { jar: "ada", oldestFirst: "." }),
  get("sessions without cookie", "/list-sessions"),
  get("sessions, not fresh", "/list-sessions", { jar: "ada", sql: age("createdAt", 2) }),
  post("revoke a session", "/revoke-session", { token: "{{ada2Token}}" }, { jar: "ada", sql: age("createdAt", -2) }),
  session("session that was revoked", { jar: "ada2" }),
  post("revoke another's session", "/revoke-session", { token: "{{eveToken}}" }, { jar: "ada" }),
  rows("another's session lives", `SELECT count(*)::int AS rows FROM "session" WHERE token = '{{eveToken}}'`),
  post("revoke, no token", "/revoke-session", {}, { jar: "ada" }),
  post("revoke without cookie", "/revoke-session", { token: "x" }),
  post("revoke other sessions", "/revoke-other-sessions", {}, { jar: "ada" }),
  rows("one session is left", `SELECT count(*)::int AS rows FROM "session" WHERE "userId" = '{{ada}}'`),
  post("cookie without origin", "/revoke-other-sessions", {}, { jar: "ada", origin: false }),
  post("cookie, origin null", "/revoke-other-sessions", {}, { jar: "ada", origin: "null" }),
  post("cookie, foreign origin", "/revoke-other-sessions", {}, { jar: "ada", origin: "https://evil.test" }),
  post("cookie, referer", "/revoke-other-sessions", {}, { jar: "ada", origin: false, headers: { referer: "{{base}}/settings" } }),
  post("no body, no media type", "/revoke-other-sessions", undefined, { jar: "ada" }),

  post("change the user", "/update-user", { name: "Ada L.", image: "https://img.test/a.png" }, { jar: "ada" }),
  session("user that was changed", { jar: "ada" }),
  post("user without image", "/update-user", { image: null }, { jar: "ada" }),
  post("change nothing", "/update-user", {}, { jar: "ada" }),
  post("change the address as a field", "/update-user", { email: "x@example.com" }, { jar: "ada" }),
  post("change the role as a field", "/update-user", { role: "admin" }, { jar: "ada" }),
  post("change the user by a list", "/update-user", [1], { jar: "ada" }),
  post("change the user without cookie", "/update-user", { name: "x" }),
  post("change the session", "/update-session", { foo: 1 }, { jar: "ada" }),

  post("password, wrong current one", "/change-password", { currentPassword: "bad-password", newPassword: "password-5678" }, { jar: "ada" }),
  post("password, too short", "/change-password", { currentPassword: password, newPassword: "x" }, { jar: "ada" }),
  post("change the password", "/change-password", { currentPassword: password, newPassword: "password-5678" }, { jar: "ada" }),
  post("change the password, other sessions end", "/change-password", {
    currentPassword: "password-5678",
    newPassword: password,
    revokeOtherSessions: true,
  }, { jar: "ada", capture: { adaToken: "body.token" } }),
  post("password without cookie", "/change-password", { currentPassword: "a", newPassword: "password-5678" }),
  post("set-password is no endpoint", "/set-password", { newPassword: "password-5678" }, { jar: "ada" }),
  post("verify the password", "/verify-password", { password }, { jar: "ada" }),
  post("verify a wrong password", "/verify-password", { password: "password-12345" }, { jar: "ada" }),
];
