// Addresses must be verified before signing in, and deletions confirmed by mail.
import { get, post } from "./steps.mjs";

const ver = { name: "Ver", email: "ver@example.com", password: "password-1234" };
const signIn = (name, more) => post(name, "/sign-in/email", { email: ver.email, password: ver.password }, more);

export const verify = [
  post("sign-up", "/sign-up/email", { ...ver, callbackURL: "/hello" }, {
    mail: { template: "verify-email", to: ver.email, capture: { path: "link" } },
  }),
  post("sign-up, address taken", "/sign-up/email", ver, {
    differs: { reason: "nobody learns that an address is taken: the role is that of any new user", set: { "body.user.role": "member" } },
  }),
  signIn("sign-in, not verified"),
  post("sign-in, not verified, wrong password", "/sign-in/email", { email: ver.email, password: "wrong-password" }),
  { name: "verify", request: { path: "{{link}}" } },
  signIn("sign-in", { newJar: "ver" }),
  post("delete asks by mail", "/delete-user", { callbackURL: "/bye" }, {
    jar: "ver",
    mail: { template: "delete-account", to: ver.email, capture: { path: "delete", token: "deleteToken" } },
  }),
  get("session before the delete", "/get-session", { jar: "ver" }),
  { name: "delete link without cookie", request: { path: "{{delete}}" } },
  get("delete link, bad token", "/delete-user/callback?token=bad", { jar: "ver" }),
  { name: "delete link", jar: "ver", request: { path: "{{delete}}" } },
  get("session after the delete", "/get-session", { jar: "ver" }),
  signIn("sign-in after the delete"),
];
