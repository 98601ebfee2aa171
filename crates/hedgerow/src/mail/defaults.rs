//! The words of the built-in templates, from which both the text and the HTML of a mail are made.
//!
//! Always holds: no built-in mail greets with the user's name, because whoever signs up chooses the name and the address,
//! and could otherwise have us send a stranger any words they like.

use super::content::{Carries, Template};
use super::templates::Source;

/// One mail: sentences before the link or code, what the link is called, sentences after it.
struct Words {
    subject: &'static str,
    before: &'static str,
    action: &'static str,
    after: &'static str,
}

const IGNORE: &str = "If this was not you, ignore this mail: nothing happens without it.";

fn words(template: Template) -> Words {
    match template {
        Template::VerifyEmail => Words {
            subject: "Confirm your e-mail address for {{product}}",
            before: "Please confirm that this e-mail address belongs to your account at {{product}}.",
            action: "Confirm the address",
            after: IGNORE,
        },
        Template::VerifyEmailCode => Words {
            subject: "Confirm your e-mail address for {{product}}",
            before: "Please confirm that this e-mail address belongs to your account at {{product}}. Your code is:",
            action: "",
            after: IGNORE,
        },
        Template::ResetPassword => Words {
            subject: "Choose a new password for {{product}}",
            before: "Somebody asked for a new password for your account at {{product}}.",
            action: "Choose a new password",
            after: "If this was not you, ignore this mail: your password stays as it is.",
        },
        Template::ResetPasswordCode => Words {
            subject: "Choose a new password for {{product}}",
            before: "Somebody asked for a new password for your account at {{product}}. The code for it is:",
            action: "",
            after: "If this was not you, ignore this mail and tell nobody the code: your password stays as it is.",
        },
        Template::ChangeEmailConfirmation => Words {
            subject: "Confirm the new e-mail address of your {{product}} account",
            before: "Somebody asked to give your account at {{product}} another e-mail address. We ask you here, at \
                     the address it has now, whether you want this.",
            action: "Change the address",
            after: "If this was not you, do not follow the link, and change your password: somebody else is signed in \
                    to your account.",
        },
        Template::DeleteAccount => Words {
            subject: "Confirm that your {{product}} account is to be deleted",
            before: "Somebody asked to delete your account at {{product}} with everything in it. This cannot be \
                     undone.",
            action: "Delete the account",
            after: "If this was not you, do not follow the link, and change your password: somebody else is signed in \
                    to your account.",
        },
        Template::MagicLink => Words {
            subject: "Sign in to {{product}}",
            before: "Here is your link to sign in to {{product}}.",
            action: "Sign in",
            after: "Whoever has the link can sign in as you: pass it on to nobody. If you did not ask for it, ignore \
                    this mail.",
        },
        Template::OneTimeCode => Words {
            subject: "Your code for {{product}}",
            before: "Your code to sign in to {{product}} is:",
            action: "",
            after: "Tell nobody the code: we never ask for it. If you did not ask for it, ignore this mail.",
        },
        Template::TwoFactorCode => Words {
            subject: "Your second step to sign in to {{product}}",
            before: "The code for the second step of your sign-in to {{product}} is:",
            action: "",
            after: "If you are not signing in just now, somebody else knows your password: change it, and tell nobody \
                    the code.",
        },
        Template::Invitation => Words {
            subject: "You are invited to {{product}}",
            before: "You are invited to {{product}}.",
            action: "Accept the invitation",
            after: "If you did not expect this, ignore this mail.",
        },
        Template::ExistingAccount => Words {
            subject: "You already have an account at {{product}}",
            before: "Somebody tried to sign up at {{product}} with this e-mail address, which has an account already.",
            action: "",
            after: "If this was you, sign in instead, and choose a new password there if you forgot yours. If it was \
                    not you, there is nothing to do: nobody got into your account.",
        },
        Template::PasswordChanged => Words {
            subject: "Your {{product}} password was changed",
            before: "The password of your account at {{product}} was changed.",
            action: "",
            after: "If this was not you, choose a new password at once with \"forgot password\", and tell those who \
                    run {{product}}.",
        },
        Template::EmailChanged => Words {
            subject: "The e-mail address of your {{product}} account was changed",
            before: "Your account at {{product}} has another e-mail address now. This is the last mail to the old one.",
            action: "",
            after: "If this was not you, tell those who run {{product}} at once.",
        },
    }
}

/// A built-in template as somebody would have written it in files.
pub(crate) fn source(template: Template) -> Source {
    let Words { subject, before, action, after } = words(template);
    let (text_middle, html_middle) = match template.carries() {
        Carries::Link => (
            format!("{action}:\n{{{{url}}}}\n\nThe link works for {{{{expires}}}}, once.\n\n"),
            format!(
                "<p><a href=\"{{{{url}}}}\" style=\"display:inline-block;padding:10px 16px;border-radius:6px;\
                 background:#1f5c3a;color:#ffffff;text-decoration:none\">{action}</a></p>\n\
                 <p>The link works for {{{{expires}}}}, once.</p>\n"
            ),
        ),
        Carries::Code => (
            "    {{code}}\n\nThe code works for {{expires}}.\n\n".to_owned(),
            "<p style=\"font-size:28px;letter-spacing:4px;font-family:monospace\">{{code}}</p>\n\
             <p>The code works for {{expires}}.</p>\n"
                .to_owned(),
        ),
        Carries::News => (String::new(), String::new()),
    };
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<body style=\"font-family:sans-serif;font-size:16px;line-height:1.5;\
         color:#222222;max-width:560px;margin:0 auto;padding:24px\">\n\
         <p>{before}</p>\n{html_middle}<p style=\"color:#555555\">{after}</p>\n</body>\n</html>\n"
    );
    Source {
        subject: subject.to_owned(),
        text: format!("{before}\n\n{text_middle}{after}\n"),
        html: Some(html),
    }
}
