// The account of a password.
import { get, post } from "./steps.mjs";

export const accounts = [
  get("accounts", "/list-accounts", { jar: "ada", capture: { credential: "body.0.id" } }),
  get("accounts without cookie", "/list-accounts"),
  post("unlink the last account", "/unlink-account", { accountId: "{{credential}}" }, { jar: "ada" }),
  post("unlink as in 1.3", "/unlink-account", { providerId: "credential" }, {
    jar: "ada",
    differs: {
      reason: "clients of 1.3 to 1.6 name the provider",
      body: { message: "You can't unlink your last account", code: "FAILED_TO_UNLINK_LAST_ACCOUNT" },
    },
  }),
  post("access token of a password", "/get-access-token", { accountId: "{{credential}}" }, { jar: "ada" }),
  post("refresh the token of a password", "/refresh-token", { accountId: "{{credential}}" }, { jar: "ada" }),
  get("info of a password", "/account-info?accountId={{credential}}", { jar: "ada" }),
];
