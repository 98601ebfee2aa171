// What plugins add: tokens for other services, user names, the second factor, links and codes by mail.
import { get, post } from "./steps.mjs";

const email = "full@example.com";
const password = "password-1234";
const second = (name, path, body, more) => post(name, `/two-factor/${path}`, body, more);
const signIn = (name, more) => post(name, "/sign-in/email", { email, password }, more);
const code = (name, path, body, more) => post(name, path, { email, ...body }, { origin: false, ...more });
const sent = (as) => ({ mail: { template: "one-time-code", to: email, capture: { code: as } } });

const NO_BEARER = {
  reason: "no token is given out before the second factor, not even that of a session that has ended already",
  set: { "headers.set-auth-token": null, "headers.access-control-expose-headers": null },
};

const WITH_SESSION = "a token names its session, and ends with it";
const inBody = { reason: WITH_SESSION, set: { "body.token.jwt.1.sid": "<any>" } };
const inHeader = { reason: WITH_SESSION, set: { "headers.set-auth-jwt.jwt.1.sid": "<any>" } };

export const plugins = [
  post("sign-up", "/sign-up/email", { name: "Full", email, password, username: "Full_User" }, { newJar: "full" }),
  post("sign-up, user name taken", "/sign-up/email", { name: "F", email: "f@example.com", password, username: "full_USER" }),
  post("sign-up, user name too short", "/sign-up/email", { name: "F", email: "f@example.com", password, username: "f" }),
  post("sign-up, bad user name", "/sign-up/email", { name: "F", email: "f@example.com", password, username: "full user" }),
  get("token", "/token", { jar: "full", differs: inBody }),
  get("keys", "/jwks"),
  get("token without cookie", "/token"),
  get("session", "/get-session", { jar: "full", differs: inHeader }),
  post("sign-in by user name", "/sign-in/username", { username: "full_user", password }, { jar: "full" }),
  post("sign-in by user name, wrong password", "/sign-in/username", { username: "full_user", password: "wrong-password" }),
  post("sign-in by user name, nobody", "/sign-in/username", { username: "nobody", password }),
  post("sign-in by user name, too short", "/sign-in/username", { username: "f", password }),
  post("user name taken", "/is-username-available", { username: "full_user" }, { origin: false }),
  post("user name free", "/is-username-available", { username: "free_user" }, { origin: false }),
  post("user name bad", "/is-username-available", { username: "free user" }, { origin: false }),
  post("change the user name", "/update-user", { username: "Other.User" }, { jar: "full" }),
  get("session after the change", "/get-session", { jar: "full", differs: inHeader }),

  second("second factor, wrong password", "enable", { password: "wrong-password" }, { jar: "full" }),
  second("second factor without cookie", "enable", { password }),
  second("second factor", "enable", { password }, { jar: "full", capture: { uri: "body.totpURI", backup: "body.backupCodes.0" } }),
  second("its address", "get-totp-uri", { password }, { jar: "full" }),
  second("second factor, wrong code", "verify-totp", { code: "000000" }, { jar: "full" }),
  second("second factor begins", "verify-totp", { code: "{{totp}}" }, {
    jar: "full",
    totp: "{{uri}}",
    differs: { reason: "the token of the answer is that of its cookie", set: { "body.token": "<token:.1>" } },
  }),
  signIn("sign-in asks for the second factor", {
    newJar: "full2",
    capture: { first: "header.set-auth-token" },
    differs: NO_BEARER,
  }),
  get("session, bearer of the first factor", "/get-session", {
    headers: { authorization: "Bearer {{first}}" },
    differs: { reason: "an unknown bearer token takes no cookies away", set: { "headers.set-cookie": null } },
  }),
  get("session before the second factor", "/get-session", { jar: "full2" }),
  second("sign-in, wrong code", "verify-totp", { code: "000000" }, { jar: "full2" }),
  second("sign-in, code", "verify-totp", { code: "{{totp}}", trustDevice: true }, { jar: "full2", totp: "{{uri}}" }),
  second("sign-in, challenge used", "verify-totp", { code: "000000" }, { jar: "full2", noJar: true }),
  post("sign-out of a trusted device", "/sign-out", {}, { jar: "full2" }),
  signIn("sign-in from a trusted device", { jar: "full2" }),
  signIn("sign-in for a backup code", { newJar: "full3", differs: NO_BEARER }),
  second("sign-in, wrong backup code", "verify-backup-code", { code: "aaaaa-aaaaa" }, { jar: "full3" }),
  second("sign-in, backup code", "verify-backup-code", { code: "{{backup}}" }, { jar: "full3" }),
  signIn("sign-in for the used backup code", { newJar: "full4", differs: NO_BEARER }),
  second("sign-in, used backup code", "verify-backup-code", { code: "{{backup}}" }, { jar: "full4" }),
  second("sign-in, code by mail", "send-otp", {}, { jar: "full4", ...sent("otp") }),
  second("sign-in, wrong code by mail", "verify-otp", { code: "000000" }, { jar: "full4" }),
  second("sign-in, right code by mail", "verify-otp", { code: "{{otp}}" }, { jar: "full4" }),
  second("new backup codes", "generate-backup-codes", { password }, { jar: "full4" }),
  second("no second factor, wrong password", "disable", { password: "wrong-password" }, { jar: "full2" }),
  second("no second factor", "disable", { password }, { jar: "full2" }),
  signIn("sign-in without second factor"),

  code("code for verification", "/email-otp/send-verification-otp", { type: "email-verification" }, sent("verification")),
  code("code for verification, checked", "/email-otp/check-verification-otp", { type: "email-verification", otp: "{{verification}}" }),
  code("verify by code, wrong", "/email-otp/verify-email", { otp: "000000" }),
  code("verify by code", "/email-otp/verify-email", { otp: "{{verification}}" }),
  code("verify by code, used", "/email-otp/verify-email", { otp: "{{verification}}" }),
  code("code for signing in", "/email-otp/send-verification-otp", { type: "sign-in" }, sent("signIn")),
  code("sign-in by code, wrong", "/sign-in/email-otp", { otp: "000000" }),
  code("sign-in by code", "/sign-in/email-otp", { otp: "{{signIn}}" }, { newJar: "full5" }),
  code("sign-in by code, used", "/sign-in/email-otp", { otp: "{{signIn}}" }),
  code("code for too many attempts", "/email-otp/send-verification-otp", { type: "sign-in" }, sent("many")),
  ...[1, 2, 3].map((time) => code(`attempt ${time}`, "/sign-in/email-otp", { otp: "000000" })),
  code("right code after too many attempts", "/sign-in/email-otp", { otp: "{{many}}" }),
  code("code, bad kind", "/email-otp/send-verification-otp", { type: "nope" }),
  code("code for a reset", "/email-otp/request-password-reset", {}, sent("reset")),
  code("code for a reset, nobody", "/email-otp/request-password-reset", { email: "nobody@example.com" }),
  code("reset by code, wrong", "/email-otp/reset-password", { otp: "000000", password: "password-5678" }),
  code("reset by code", "/email-otp/reset-password", { otp: "{{reset}}", password: "password-5678" }),
  post("sign-in after the reset by code", "/sign-in/email", { email, password: "password-5678" }),

  code("link", "/sign-in/magic-link", { callbackURL: "/dashboard" }, {
    mail: { template: "magic-link", to: email, capture: { path: "magic" } },
  }),
  { name: "sign-in by link", newJar: "magic", request: { path: "{{magic}}" } },
  { name: "sign-in by link, used", request: { path: "{{magic}}" } },
  code("link for somebody new", "/sign-in/magic-link", { email: "fresh@example.com", name: "Fresh", callbackURL: "/dashboard", newUserCallbackURL: "/welcome" }, {
    mail: { template: "magic-link", to: "fresh@example.com", capture: { path: "fresh" } },
  }),
  { name: "sign-up by link", newJar: "fresh", request: { path: "{{fresh}}" } },
  get("session after the sign-up by link", "/get-session", { jar: "fresh", differs: inHeader }),
  code("link, foreign callbackURL", "/sign-in/magic-link", { callbackURL: "https://evil.test" }),
];
