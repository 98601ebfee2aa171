// Signing in with others: Google as far as its door, GitLab, which is a fake one, all the way.
import { get, post } from "./steps.mjs";

const start = (name, body, more) => post(name, "/sign-in/social", { provider: "google", callbackURL: "/dashboard", ...body }, more);
const gitlab = { provider: "gitlab", callbackURL: "/dashboard", newUserCallbackURL: "/welcome", errorCallbackURL: "/err" };

/** Starts, goes to GitLab as somebody and comes back. */
const round = (name, jar, as, more = {}) => [
  start(`${name}: start`, gitlab, { newJar: jar, capture: { authorize: "body.url" } }),
  { name: `${name}: back`, jar, visit: { from: "authorize", as }, request: { path: "{{back}}" }, ...more },
];

const link = (name, as) => [
  post(`${name}: start`, "/link-social", { provider: "gitlab", callbackURL: "/settings", errorCallbackURL: "/err" }, {
    jar: "ada",
    capture: { authorize: "body.url" },
  }),
  { name: `${name}: back`, jar: "ada", visit: { from: "authorize", as }, request: { path: "{{back}}" } },
];

export const social = [
  start("google", { errorCallbackURL: "/err", newUserCallbackURL: "/welcome" }, { newJar: "google" }),
  start("a provider without settings", { provider: "github" }),
  start("an unknown provider", { provider: "nope" }),
  start("google, disableRedirect", { disableRedirect: true }),
  start("google, foreign callbackURL", { callbackURL: "https://evil.test" }),
  start("google, parameters that are not the client's", { callbackURL: "/", additionalParams: { redirect_uri: "https://evil.test" } }),
  start("google, bad idToken", { callbackURL: undefined, idToken: { token: "a.b.c" } }),
  get("back without state", "/callback/google?code=x"),
  get("back with an unknown state", "/callback/google?code=x&state=unknown"),
  ...round("gitlab, new user", "gl1", "77:new@example.com:verified"),
  { name: "gitlab, back again with the same state", jar: "gl1", request: { path: "{{back}}" } },
  get("session after gitlab", "/get-session", { jar: "gl1" }),
  ...round("gitlab, known user", "gl2", "77:new@example.com:verified"),
  ...round("gitlab, unverified address of a user", "gl3", "78:eve@example.com:unverified"),
  ...round("gitlab, address that the user never verified", "gl4", "78:eve@example.com:verified"),
  ...round("gitlab, address verified by both", "gl5", "78:eve@example.com:verified", {
    sql: `UPDATE "user" SET "emailVerified" = true WHERE email = 'eve@example.com'`,
  }),
  start("gitlab, another's browser: start", gitlab, { newJar: "gl6", capture: { authorize: "body.url" } }),
  {
    name: "gitlab, another's browser: back",
    visit: { from: "authorize", as: "79:trap@example.com:verified" },
    request: { path: "{{back}}" },
  },
  { name: "gitlab says no", jar: "gl6", visit: { from: "authorize", as: "denied" }, request: { path: "{{back}}" } },
  post("link without cookie", "/link-social", { provider: "gitlab", callbackURL: "/settings" }),
  ...link("link, other address", "90:other@example.com:verified"),
  ...link("link", "91:ada.new@example.com:verified"),
  get("accounts after the link", "/list-accounts", { jar: "ada", oldestFirst: ".", capture: { linked: "body.1.id" } }),
  post("access token", "/get-access-token", { accountId: "{{linked}}" }, { jar: "ada" }),
  post("access token as in 1.3", "/get-access-token", { providerId: "gitlab" }, {
    jar: "ada",
    differs: {
      reason: "clients of 1.3 to 1.6 name the provider",
      status: 200,
      body: { accessToken: "gl-access-91", accessTokenExpiresAt: "<date+2h>", scopes: ["read_user"] },
    },
  }),
  post("refresh the token", "/refresh-token", { accountId: "{{linked}}" }, { jar: "ada" }),
  get("info", "/account-info?accountId={{linked}}", { jar: "ada" }),
  post("unlink", "/unlink-account", { accountId: "{{linked}}" }, { jar: "ada" }),
  get("accounts after the unlink", "/list-accounts", { jar: "ada" }),
];
