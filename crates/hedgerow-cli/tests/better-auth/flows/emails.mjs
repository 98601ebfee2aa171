// Password reset, verification and change of the address.
import { EXPIRED, get, post } from "./steps.mjs";

const to = "ada@example.com";
const reset = (name, body, more) => post(name, "/request-password-reset", { email: to, redirectTo: "/reset", ...body }, { origin: false, ...more });
const set = (name, newPassword, token, more) => post(name, "/reset-password", { newPassword, token }, { origin: false, ...more });
const signIn = (name, password, more) => post(name, "/sign-in/email", { email: to, password }, more);

export const emails = [
  reset("reset", {}, { mail: { template: "reset-password", to, capture: { token: "reset", path: "resetLink" } } }),
  reset("reset, nobody", { email: "nobody@example.com" }),
  reset("reset, foreign redirectTo", { redirectTo: "https://evil.test/reset" }),
  reset("reset, no address", { email: undefined }),
  post("reset by its name of 1.3", "/forget-password", { email: "nobody@example.com", redirectTo: "/reset" }, {
    origin: false,
    differs: {
      reason: "clients of 1.3 ask by this name",
      status: 200,
      headers: { "content-type": "application/json" },
      body: { status: true, message: "If this email exists in our system, check your email for the reset link" },
    },
  }),
  { name: "reset link", request: { path: "{{resetLink}}" } },
  get("reset link, bad token", "/reset-password/bad?callbackURL=%2Freset"),
  get("reset link, foreign callbackURL", "/reset-password/{{reset}}?callbackURL=https%3A%2F%2Fevil.test"),
  set("new password, bad token", "password-9999", "bad"),
  set("new password, too short", "x", "{{reset}}"),
  set("new password", "password-9999", "{{reset}}"),
  set("new password, token used", "password-8888", "{{reset}}"),
  get("session after the reset", "/get-session", {
    jar: "ada",
    differs: {
      reason: "a reset ends all sessions",
      body: null,
      headers: { "content-type": "application/json", "cache-control": "no-store", pragma: "no-cache", "set-cookie": EXPIRED },
    },
  }),
  signIn("old password after the reset", "password-1234"),
  signIn("new password after the reset", "password-9999", { newJar: "ada", capture: { adaToken: "body.token" } }),

  post("send verification", "/send-verification-email", { email: to, callbackURL: "/ok" }, {
    origin: false,
    mail: { template: "verify-email", to, capture: { path: "verifyLink", token: "verify" } },
  }),
  post("send verification, nobody", "/send-verification-email", { email: "nobody@example.com" }, { origin: false }),
  post("send verification, another's address", "/send-verification-email", { email: "eve@example.com" }, { jar: "ada" }),
  get("verify, bad token", "/verify-email?token=bad"),
  get("verify, bad token with callbackURL", "/verify-email?token=bad&callbackURL=%2Fdone"),
  get("verify, foreign callbackURL", "/verify-email?token=bad&callbackURL=https%3A%2F%2Fevil.test"),
  { name: "verify", request: { path: "{{verifyLink}}" } },
  get("verify again", "/verify-email?token={{verify}}"),
  post("send verification, verified", "/send-verification-email", { email: to }, { jar: "ada" }),
  post("change the address to the same", "/change-email", { newEmail: to }, { jar: "ada" }),
  post("change the address to a taken one", "/change-email", { newEmail: "eve@example.com" }, { jar: "ada" }),
  post("change the address without cookie", "/change-email", { newEmail: "x@example.com" }),
  post("change the address", "/change-email", { newEmail: "Ada.New@example.com", callbackURL: "/done" }, {
    jar: "ada",
    mail: { template: "change-email-confirmation", to, capture: { path: "confirmLink" } },
  }),
  {
    name: "confirm from the old address",
    jar: "ada",
    request: { path: "{{confirmLink}}" },
    mail: { template: "verify-email", to: "ada.new@example.com", capture: { token: "change" } },
  },
  get("address before the new one is verified", "/get-session", { jar: "ada" }),
  get("verify from the new address", "/verify-email?token={{change}}", { jar: "ada" }),
  get("verify from the new address again", "/verify-email?token={{change}}", { jar: "ada" }),
];
