// The real Better Auth client against a server of the profile `plugins`: `node client.mjs --base URL --database URL --mail
// node:FILE|hedgerow:FOLDER`. Addresses are new each time. The first check that fails ends it, with what was seen.
import { randomBytes } from "node:crypto";
import { createLocalJWKSet, jwtVerify } from "jose";
import pg from "pg";
import { Browser, good, must, refused } from "./browser.mjs";
import { Mailbox } from "./mail.mjs";
import { tokenOf } from "./normalise.mjs";
import { readArguments, totp } from "./settings.mjs";

const given = readArguments(["base", "database", "mail"]);
const run = randomBytes(4).toString("hex");
const address = (name) => `${name}.${run}@example.com`;
const password = "password-1234";
const database = new pg.Client({ connectionString: given.database });
const mails = new Mailbox(given.mail);
const isNow = (date) => date instanceof Date && Math.abs(date - Date.now()) < 120_000;

const browser = (more) => new Browser(given.base, more);

async function signedUp(name, more = {}) {
  const made = browser();
  const body = { name, email: address(name.toLowerCase()), password, ...more };
  made.user = (await good(`sign-up of ${name}`, made.client.signUp.email(body))).user;
  return made;
}

async function sessionOf(who) {
  return good("get-session", who.client.getSession());
}

const CHECKS = {
  async "signing up, in and out"() {
    const ann = await signedUp("Ann");
    must("sign-up answers a user with an id", typeof ann.user.id === "string", ann.user);
    must("dates of the wire become dates that are now", isNow(ann.user.createdAt), ann.user.createdAt);
    const { user, session } = await sessionOf(ann);
    must("the session is that of the user", user.id === ann.user.id && session.userId === user.id, { user, session });
    const days = (session.expiresAt - Date.now()) / 86_400_000;
    must("a session lasts seven days", days > 6.9 && days <= 7, session.expiresAt);
    must("a new user is a member", user.role === "member", user.role);
    must("sign-out says so", (await good("sign-out", ann.client.signOut())).success === true);
    must("no cookie is left after sign-out", ann.cookies.size === 0, [...ann.cookies.keys()]);
    must("there is no session after sign-out", (await sessionOf(ann)) === null);
    await refused("a wrong password", ann.client.signIn.email({ email: address("ann"), password: "wrong-password" }), 401, "INVALID_EMAIL_OR_PASSWORD");
    await refused("the address twice", browser().client.signUp.email({ name: "X", email: address("ann"), password }), 422, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL");
    const back = await good("sign-in", ann.client.signIn.email({ email: address("ann"), password }));
    must("sign-in answers the user", back.user.id === user.id && back.redirect === false, back);
    must("there is a session after sign-in", (await sessionOf(ann))?.user.id === user.id);
    const brief = browser();
    await good("sign-in that is not remembered", brief.client.signIn.email({ email: address("ann"), password, rememberMe: false }));
    const hours = ((await sessionOf(brief)).session.expiresAt - Date.now()) / 3_600_000;
    must("a session that is not remembered lasts a day", hours > 23 && hours <= 24, hours);
  },

  async "sessions"() {
    const bob = await signedUp("Bob");
    const others = [browser(), browser(), browser()];
    for (const other of others) await good("sign-in", other.client.signIn.email({ email: address("bob"), password }));
    const list = await good("list-sessions", bob.client.listSessions());
    must("there are four sessions", list.length === 4 && list.every(({ createdAt }) => isNow(createdAt)), list);
    const { session } = await sessionOf(others[0]);
    await good("revoke-session", bob.client.revokeSession({ token: session.token }));
    must("a revoked session is none", (await sessionOf(others[0])) === null);
    must("the others live", (await sessionOf(others[1])) !== null);
    await good("revoke-other-sessions", bob.client.revokeOtherSessions());
    must("the other sessions are none", (await sessionOf(others[2])) === null);
    must("the own session lives", (await sessionOf(bob)) !== null);
    await good("revoke-sessions", bob.client.revokeSessions());
    must("all sessions are none", (await sessionOf(bob)) === null);
    await refused("list-sessions without a session", bob.client.listSessions(), 401, "UNAUTHORIZED");
  },

  async "bearer"() {
    const bearer = await signedUp("Bearer");
    let header;
    const fetchOptions = { onSuccess: ({ response }) => (header = response.headers.get("set-auth-token")) };
    const { token } = await good("sign-in", browser().client.signIn.email({ email: address("bearer"), password, fetchOptions }));
    must("sign-in gives the token in a header", header?.startsWith(`${token}.`), header);
    for (const given of [token, header]) {
      const program = browser({ bearer: given });
      must("a bearer has a session", (await sessionOf(program))?.user.id === bearer.user.id);
      must("a bearer lists sessions", (await good("list-sessions", program.client.listSessions())).length === 2);
    }
    must("another token has no session", (await sessionOf(browser({ bearer: "nope" }))) === null);
    await good("sign-out of a bearer", browser({ bearer: header }).client.signOut());
    must("a bearer is out after sign-out", (await sessionOf(browser({ bearer: token }))) === null);
  },

  async "the user and the password"() {
    const cleo = await signedUp("Cleo");
    const image = "https://img.test/c.png";
    await good("update-user", cleo.client.updateUser({ name: "Cleo P.", image }));
    const { user } = await sessionOf(cleo);
    must("the user has changed", user.name === "Cleo P." && user.image === image, user);
    const other = browser();
    await good("sign-in", other.client.signIn.email({ email: address("cleo"), password }));
    const change = (currentPassword, newPassword) => cleo.client.changePassword({ currentPassword, newPassword, revokeOtherSessions: true });
    await refused("a wrong current password", change("wrong-password", "password-5678"), 400, "INVALID_PASSWORD");
    await refused("a short password", change(password, "short"), 400, "PASSWORD_TOO_SHORT");
    const changed = await good("change-password", change(password, "password-5678"));
    must("a new token is given", changed.token?.length === 32, changed);
    must("the own session lives", (await sessionOf(cleo))?.session.token === changed.token);
    must("the other session is none", (await sessionOf(other)) === null);
    await refused("the old password", other.client.signIn.email({ email: address("cleo"), password }), 401, "INVALID_EMAIL_OR_PASSWORD");
    await good("the new password", other.client.signIn.email({ email: address("cleo"), password: "password-5678" }));
  },

  async "password reset"() {
    await signedUp("Dora");
    const dora = browser();
    const email = address("dora");
    const asked = await good("request-password-reset", dora.client.requestPasswordReset({ email, redirectTo: "/reset" }));
    must("the answer tells nothing", asked.status === true && asked.message.startsWith("If this email exists"), asked);
    const nobody = await good("request for nobody", dora.client.requestPasswordReset({ email: address("nobody"), redirectTo: "/reset" }));
    must("the answer for nobody is the same", JSON.stringify(nobody) === JSON.stringify(asked), nobody);
    const mail = await mails.next("reset-password", email);
    const link = await dora.ask("GET", mail.url);
    must("the link leads to the page", link.status === 302 && new URL(link.location).pathname === "/reset", link);
    const token = new URL(link.location).searchParams.get("token");
    await refused("a bad token", dora.client.resetPassword({ newPassword: "password-5678", token: "bad" }), 400, "INVALID_TOKEN");
    await good("reset-password", dora.client.resetPassword({ newPassword: "password-5678", token }));
    await refused("the token again", dora.client.resetPassword({ newPassword: "password-9999", token }), 400, "INVALID_TOKEN");
    await refused("the old password", dora.client.signIn.email({ email, password }), 401, "INVALID_EMAIL_OR_PASSWORD");
    await good("the new password", dora.client.signIn.email({ email, password: "password-5678" }));
  },

  async "verification and change of the address"() {
    const emil = await signedUp("Emil");
    const [old, next] = [address("emil"), address("emil.new")];
    await good("send-verification-email", emil.client.sendVerificationEmail({ email: old, callbackURL: "/done" }));
    const mail = await mails.next("verify-email", old);
    await refused("a bad token", emil.client.verifyEmail({ query: { token: "bad" } }), 401, "INVALID_TOKEN");
    const opened = await browser().ask("GET", mail.url);
    must("the link leads to the page", opened.status === 302 && opened.location === "/done", opened);
    must("the address is verified", (await sessionOf(emil)).user.emailVerified === true);
    await refused("once more", emil.client.sendVerificationEmail({ email: old }), 400, "EMAIL_ALREADY_VERIFIED");
    await good("change-email", emil.client.changeEmail({ newEmail: next, callbackURL: "/done" }));
    const confirm = await mails.next("change-email-confirmation", old);
    await emil.ask("GET", confirm.url);
    must("the address has not changed yet", (await sessionOf(emil)).user.email === old);
    const verify = await mails.next("verify-email", next);
    await good("verify-email", emil.client.verifyEmail({ query: { token: tokenOf(verify.url) } }));
    const { user } = await sessionOf(emil);
    must("the address has changed", user.email === next && user.emailVerified === true, user);
    await good("sign-in with the new address", browser().client.signIn.email({ email: next, password }));
    await refused("the old address", browser().client.signIn.email({ email: old, password }), 401, "INVALID_EMAIL_OR_PASSWORD");
  },

  async "deleting oneself"() {
    const finn = await signedUp("Finn");
    await refused("a wrong password", finn.client.deleteUser({ password: "wrong-password" }), 400, "INVALID_PASSWORD");
    const gone = await good("delete-user", finn.client.deleteUser({ password }));
    must("delete-user says so", gone.success === true && gone.message === "User deleted", gone);
    must("there is no session", (await sessionOf(finn)) === null);
    await refused("sign-in", finn.client.signIn.email({ email: address("finn"), password }), 401, "INVALID_EMAIL_OR_PASSWORD");
  },

  async "accounts and GitLab"() {
    const gus = await signedUp("Gus");
    await database.query(`UPDATE "user" SET "emailVerified" = true WHERE id = $1`, [gus.user.id]);
    const [account, ...rest] = await good("list-accounts", gus.client.listAccounts());
    must("there is the account of the password", account.providerId === "credential" && rest.length === 0, account);
    await refused("unlink the last account", gus.client.unlinkAccount({ accountId: account.id }), 400, "FAILED_TO_UNLINK_LAST_ACCOUNT");
    const id = Number.parseInt(run, 16);
    const comeBack = async (who, { url }, as) => {
      const door = new URL(url);
      door.searchParams.set("as", as);
      const sent = await fetch(door, { redirect: "manual" });
      return who.ask("GET", sent.headers.get("location"));
    };
    const link = await good("link-social", gus.client.linkSocial({ provider: "gitlab", callbackURL: "/settings", disableRedirect: true }));
    const linked = await comeBack(gus, link, `${id}:${address("gus")}:verified`);
    must("the link leads back", linked.status === 302 && linked.location === "/settings", linked);
    const both = await good("list-accounts", gus.client.listAccounts());
    const gitlab = both.find(({ providerId }) => providerId === "gitlab");
    must("there are two accounts", both.length === 2 && gitlab.accountId === String(id), both);
    const fresh = browser();
    const start = { provider: "gitlab", callbackURL: "/home", newUserCallbackURL: "/welcome", disableRedirect: true };
    const back = await comeBack(fresh, await good("sign-in with gitlab", fresh.client.signIn.social(start)), `${id}:${address("gus")}:verified`);
    must("a known user comes home", back.location === "/home", back);
    must("it is the same user", (await sessionOf(fresh)).user.id === gus.user.id);
    const token = await good("get-access-token", gus.client.getAccessToken({ accountId: gitlab.id }));
    must("the access token is GitLab's", token.accessToken === `gl-access-${id}`, token);
    await good("unlink-account", gus.client.unlinkAccount({ accountId: gitlab.id }));
    must("one account is left", (await good("list-accounts", gus.client.listAccounts())).length === 1);
    const stranger = browser();
    const first = await comeBack(stranger, await good("sign-in with gitlab", stranger.client.signIn.social(start)), `${id + 1}:${address("stranger")}:verified`);
    must("a new user is welcome", first.location === "/welcome", first);
    must("a new user has a session", (await sessionOf(stranger)).user.email === address("stranger"));
  },

  async "administration"() {
    const [root, hal] = [await signedUp("Root"), await signedUp("Hal")];
    const { admin } = root.client;
    const userId = hal.user.id;
    await refused("list-users for a member", hal.client.admin.listUsers({ query: {} }), 403, "YOU_ARE_NOT_ALLOWED_TO_LIST_USERS");
    await database.query(`UPDATE "user" SET role = 'admin' WHERE id = $1`, [root.user.id]);
    const search = { searchValue: address("hal"), searchField: "email", searchOperator: "contains" };
    const found = await good("list-users", admin.listUsers({ query: search }));
    must("one user is found", found.total === 1 && found.users[0].id === userId, found);
    must("get-user answers the user", (await good("get-user", admin.getUser({ query: { id: userId } }))).email === address("hal"));
    const made = await good("create-user", admin.createUser({ name: "Ida", email: address("ida"), password, role: "member" }));
    const ida = browser();
    await good("sign-in of a made user", ida.client.signIn.email({ email: address("ida"), password }));
    await good("update-user", admin.updateUser({ userId: made.user.id, data: { name: "Ida B." } }));
    must("the user has changed", (await sessionOf(ida)).user.name === "Ida B.");
    await good("set-user-password", admin.setUserPassword({ userId: made.user.id, newPassword: "password-5678" }));
    await good("sign-in with it", browser().client.signIn.email({ email: address("ida"), password: "password-5678" }));
    must("set-role answers the role", (await good("set-role", admin.setRole({ userId, role: "member" }))).user.role === "member");
    const { sessions } = await good("list-user-sessions", admin.listUserSessions({ userId }));
    must("there is one session", sessions.length === 1 && sessions[0].userId === userId, sessions);
    await good("revoke-user-session", admin.revokeUserSession({ sessionToken: sessions[0].token }));
    must("the session is none", (await sessionOf(hal)) === null);
    await good("sign-in", hal.client.signIn.email({ email: address("hal"), password }));
    await good("revoke-user-sessions", admin.revokeUserSessions({ userId }));
    must("all sessions are none", (await sessionOf(hal)) === null);
    await good("sign-in", hal.client.signIn.email({ email: address("hal"), password }));
    const banned = await good("ban-user", admin.banUser({ userId, banReason: "spam", banExpiresIn: 3600 }));
    must("the ban has an end", banned.user.banned === true && banned.user.banExpires > new Date(), banned);
    must("a banned user has no session", (await sessionOf(hal)) === null);
    await refused("a banned user", hal.client.signIn.email({ email: address("hal"), password }), 403, "BANNED_USER");
    await good("unban-user", admin.unbanUser({ userId }));
    await good("sign-in after the ban", hal.client.signIn.email({ email: address("hal"), password }));
    const played = await good("impersonate-user", admin.impersonateUser({ userId }));
    must("it is the other's session", played.user.id === userId && played.session.impersonatedBy === root.user.id, played);
    must("the session is the other's", (await sessionOf(root)).user.id === userId);
    await good("stop-impersonating", admin.stopImpersonating());
    must("the session is the own one", (await sessionOf(root)).user.id === root.user.id);
    const may = await good("has-permission", admin.hasPermission({ permissions: { user: ["list"] } }));
    must("an administrator may list users", may.success === true, may);
    await good("remove-user", admin.removeUser({ userId: made.user.id }));
    must("a removed user has no session", (await sessionOf(ida)) === null);
  },

  async "tokens for other services"() {
    const jon = await signedUp("Jon");
    const { token } = await good("token", jon.client.token());
    const keys = createLocalJWKSet(await good("jwks", jon.client.jwks()));
    const base = new URL(given.base).origin;
    const { payload, protectedHeader } = await jwtVerify(token, keys, { issuer: base, audience: base });
    must("the token is the user's", payload.sub === jon.user.id && payload.email === address("jon"), payload);
    must("it is signed as expected", protectedHeader.alg === "EdDSA", protectedHeader);
    let header;
    await jon.client.getSession({ fetchOptions: { onSuccess: ({ response }) => (header = response.headers.get("set-auth-jwt")) } });
    must("get-session gives one too", (await jwtVerify(header, keys, { issuer: base })).payload.sub === jon.user.id);
    await refused("token without a session", browser().client.token(), 401, "UNAUTHORIZED");
  },

  async "second factor"() {
    const kim = await signedUp("Kim");
    const email = address("kim");
    const { twoFactor } = kim.client;
    await refused("a wrong password", twoFactor.enable({ password: "wrong-password" }), 400, "INVALID_PASSWORD");
    const { totpURI, backupCodes } = await good("enable", twoFactor.enable({ password }));
    must("there are ten backup codes", new Set(backupCodes).size === 10, backupCodes.length);
    await refused("a wrong code", twoFactor.verifyTotp({ code: "000000" }), 401, "INVALID_CODE");
    await good("verify-totp", twoFactor.verifyTotp({ code: await totp(totpURI) }));
    must("the second factor is on", (await sessionOf(kim)).user.twoFactorEnabled === true);
    const signIn = async (who, what) => {
      const asked = await good("sign-in", who.client.signIn.email({ email, password }));
      must(`sign-in ${what}`, asked.twoFactorRedirect === true && asked.twoFactorMethods.includes("totp"), asked);
      must("there is no session before the second factor", (await sessionOf(who)) === null);
    };
    const device = browser();
    await signIn(device, "asks for the second factor");
    await refused("a wrong code", device.client.twoFactor.verifyTotp({ code: "000000" }), 401, "INVALID_CODE");
    await good("the code", device.client.twoFactor.verifyTotp({ code: await totp(totpURI), trustDevice: true }));
    must("there is a session after the second factor", (await sessionOf(device))?.user.id === kim.user.id);
    await good("sign-out", device.client.signOut());
    const trusted = await good("sign-in from a trusted device", device.client.signIn.email({ email, password }));
    must("a trusted device is not asked", trusted.twoFactorRedirect === undefined && trusted.user.id === kim.user.id, trusted);
    const lost = browser();
    await signIn(lost, "asks again on another device");
    await good("a backup code", lost.client.twoFactor.verifyBackupCode({ code: backupCodes[3] }));
    must("there is a session after a backup code", (await sessionOf(lost)) !== null);
    const again = browser();
    await signIn(again, "asks once more");
    await refused("the same backup code", again.client.twoFactor.verifyBackupCode({ code: backupCodes[3] }), 401, "INVALID_BACKUP_CODE");
    await good("send-otp", again.client.twoFactor.sendOtp());
    const { code } = await mails.next("one-time-code", email);
    await good("verify-otp", again.client.twoFactor.verifyOtp({ code }));
    const renewed = await good("generate-backup-codes", lost.client.twoFactor.generateBackupCodes({ password }));
    must("the codes are new ones", !renewed.backupCodes.includes(backupCodes[0]), renewed.status);
    await good("disable", lost.client.twoFactor.disable({ password }));
    const plain = await good("sign-in", browser().client.signIn.email({ email, password }));
    must("no second factor is asked for", plain.token?.length === 32, plain);
  },

  async "links by mail"() {
    const [lea, mia] = [await signedUp("Lea"), browser()];
    await good("sign-in with a link", lea.client.signIn.magicLink({ email: address("lea"), callbackURL: "/home" }));
    const mail = await mails.next("magic-link", address("lea"));
    const other = browser();
    const opened = await other.ask("GET", mail.url);
    must("the link leads home", opened.status === 302 && new URL(opened.location, given.base).pathname === "/home", opened);
    must("the link signs in", (await sessionOf(other))?.user.id === lea.user.id);
    const twice = await browser().ask("GET", mail.url);
    must("a link is for one time", twice.location.includes("error=INVALID_TOKEN"), twice.location);
    await good("a link for somebody new", mia.client.signIn.magicLink({ email: address("mia"), name: "Mia", callbackURL: "/home" }));
    const invited = await mails.next("magic-link", address("mia"));
    await good("magic-link/verify", mia.client.magicLink.verify({ query: { token: tokenOf(invited.url) } }));
    const { user } = await sessionOf(mia);
    must("the link signs up", user.email === address("mia") && user.name === "Mia" && user.emailVerified === true, user);
  },

  async "codes by mail"() {
    const ned = await signedUp("Ned");
    const email = address("ned");
    const next = async (type) => {
      await good(`send-verification-otp ${type}`, ned.client.emailOtp.sendVerificationOtp({ email, type }));
      return (await mails.next("one-time-code", email)).code;
    };
    const verification = await next("email-verification");
    await refused("a wrong code", ned.client.emailOtp.verifyEmail({ email, otp: "000000" }), 400, "INVALID_OTP");
    await good("verify-email", ned.client.emailOtp.verifyEmail({ email, otp: verification }));
    must("the address is verified", (await sessionOf(ned)).user.emailVerified === true);
    const other = browser();
    const otp = await next("sign-in");
    const signed = await good("sign-in by code", other.client.signIn.emailOtp({ email, otp }));
    must("the code signs in", signed.user.id === ned.user.id && (await sessionOf(other)) !== null, signed);
    await refused("the code again", other.client.signIn.emailOtp({ email, otp }), 400, "INVALID_OTP");
    await good("request-password-reset", other.client.emailOtp.requestPasswordReset({ email }));
    const { code } = await mails.next("one-time-code", email);
    await good("reset-password", other.client.emailOtp.resetPassword({ email, otp: code, password: "password-5678" }));
    await good("sign-in with the new password", other.client.signIn.email({ email, password: "password-5678" }));
  },

  async "user names"() {
    const username = `Ola_${run}`;
    const ola = await signedUp("Ola", { username });
    must("the user name is in small letters", ola.user.username === username.toLowerCase() && ola.user.displayUsername === username, ola.user);
    const free = async (name) => (await good("is-username-available", browser().client.isUsernameAvailable({ username: name }))).available;
    must("the name is taken", (await free(username)) === false);
    must("another name is free", (await free(`pia_${run}`)) === true);
    const other = browser();
    await refused("a wrong password", other.client.signIn.username({ username, password: "wrong-password" }), 401, "INVALID_USERNAME_OR_PASSWORD");
    await good("sign-in by user name", other.client.signIn.username({ username, password }));
    must("there is a session", (await sessionOf(other))?.user.id === ola.user.id);
    await good("change the user name", other.client.updateUser({ username: `pia_${run}` }));
    await good("sign-in by the new name", browser().client.signIn.username({ username: `PIA_${run}`, password }));
  },
};

await database.connect();
try {
  for (const [name, check] of Object.entries(CHECKS)) {
    if (given.only && given.only !== name) continue;
    try {
      await check();
    } catch (error) {
      throw new Error(`${name}: ${error.message}`, { cause: error });
    }
    console.log(`ok  ${name}`);
  }
} finally {
  await database.end();
}
