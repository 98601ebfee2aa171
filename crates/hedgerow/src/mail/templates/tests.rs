//! Templates: the built-in ones, what a project puts in their place, and what is wrong with it.

use std::fs;
use std::time::Duration;

use super::*;
use crate::mail::{Code, Content, Link};

const URL: &str = "https://shop.example.com/verify?token=abc&x=1";

fn letter(templates: &Templates, content: Content, name: Option<&str>) -> Letter {
    let mail = Mail::new("ann@example.com".parse().unwrap(), content);
    let mail = match name {
        Some(name) => mail.with_name(name),
        None => mail,
    };
    templates.write(&mail, "Shop & Co").unwrap()
}

fn link() -> Link {
    Link { url: URL.to_owned(), valid_for: Duration::from_secs(3600) }
}

fn code() -> Code {
    Code { code: "123456".to_owned(), valid_for: Duration::from_secs(300) }
}

fn contents() -> Vec<Content> {
    vec![
        Content::VerifyEmail(link()),
        Content::VerifyEmailCode(code()),
        Content::ResetPassword(link()),
        Content::ResetPasswordCode(code()),
        Content::ChangeEmailConfirmation(link()),
        Content::DeleteAccount(link()),
        Content::MagicLink(link()),
        Content::OneTimeCode(code()),
        Content::TwoFactorCode(code()),
        Content::Invitation(link()),
        Content::ExistingAccount,
        Content::PasswordChanged,
        Content::EmailChanged,
    ]
}

/// A project's folder with these files, loaded.
fn load(files: &[(&str, &str)]) -> Result<Templates, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    Templates::load(folder.path()).map_err(|problems| problems.to_string())
}

#[test]
fn every_built_in_mail_can_be_written_and_has_what_it_is_for() {
    let loaded = Templates::read(&BTreeMap::new()).map(|templates| templates.0.len());
    assert_eq!(loaded, Ok(Template::ALL.len()));
    let templates = Templates::built_in();
    let contents = contents();
    assert_eq!(contents.iter().map(Content::template).collect::<Vec<_>>(), Template::ALL);
    for content in contents {
        let letter = letter(&templates, content.clone(), Some("Ann"));
        let html = letter.html.unwrap();
        assert!(letter.subject.contains("Shop & Co") && !letter.subject.contains('\n'), "{}", letter.subject);
        for text in [&letter.text, &html] {
            assert!(text.contains("Shop &"), "{text}");
            assert!(!text.contains("{{") && !text.contains("Ann"), "{text}");
        }
        if content.link().is_some() {
            assert!(letter.text.lines().any(|line| line == URL), "{}", letter.text);
            assert!(html.contains("href=\"https://shop.example.com/verify?token=abc&#38;x=1\""), "{html}");
            assert!(letter.text.contains("1 hour"));
        }
        if content.code().is_some() {
            assert!(letter.text.contains("123456") && html.contains("123456"));
            assert!(!letter.subject.contains("123456"), "a locked screen shows subjects");
            assert!(letter.text.contains("5 minutes"));
        }
    }
}

#[test]
fn a_project_puts_its_own_words_in_the_place_of_ours() {
    let templates = load(&[
        ("verify-email.subject.txt", "Welcome, {{name}}\n"),
        ("verify-email.txt", "Hello {{ name }},\n\n{{url}}\n"),
        ("magic-link.txt", "In: {{url}}"),
        ("magic-link.html", "<p>{{name}}</p><a href=\"{{url}}\">In</a>"),
        ("one-time-code.subject.txt", "{{code}} is your code"),
        ("README.md", "{{what}}"),
        (".verify-email.txt", "{{what}}"),
    ])
    .unwrap();
    let verify = letter(&templates, Content::VerifyEmail(link()), Some("Ann"));
    assert_eq!(verify.subject, "Welcome, Ann");
    assert_eq!(verify.text, format!("Hello Ann,\n\n{URL}\n"));
    assert_eq!(verify.html, None, "our HTML beside their text would say something else");

    let magic = letter(&templates, Content::MagicLink(link()), Some("<b>Ann</b>"));
    assert!(magic.html.unwrap().starts_with("<p>there</p><a href=\"https://shop"));
    let magic = letter(&templates, Content::MagicLink(link()), Some("Ann & \"Bob\""));
    assert!(magic.html.unwrap().starts_with("<p>Ann &#38; &#34;Bob&#34;</p>"));
    assert_eq!(magic.subject, "Sign in to Shop & Co", "what has no file stays");

    let one_time = letter(&templates, Content::OneTimeCode(code()), None);
    assert_eq!(one_time.subject, "123456 is your code");
    assert!(one_time.html.is_some());

    let missing = Templates::load(Path::new("/nowhere/mail")).unwrap();
    assert_eq!(missing.0.len(), Template::ALL.len());
}

#[test]
fn a_mistake_names_its_file_and_line_and_what_is_known() {
    let check = |name: &str, text: &str, expected: &str| {
        assert_eq!(load(&[(name, text)]).unwrap_err(), expected, "{name}");
    };
    let known = "(it knows {{name}} {{product}} {{url}} {{expires}})";
    check(
        "verify-email.txt",
        "Hello,\n\n{{url}} {{code}}\n",
        &format!("mail/verify-email.txt:3:9: there is no `{{{{code}}}}` in this mail {known}"),
    );
    check(
        "password-changed.html",
        "<p>{{user}}",
        "mail/password-changed.html:1:4: there is no `{{user}}` in this mail (it knows {{name}} {{product}})",
    );
    check(
        "magic-link.subject.txt",
        "Sign in, {{name",
        &format!("mail/magic-link.subject.txt:1:10: `{{{{` has no `}}}}` on its line {known}"),
    );
    check(
        "magic-link.subject.txt",
        "a\nBcc: b@c.d",
        "mail/magic-link.subject.txt:1:1: a subject is one line",
    );
    check("magic-link.subject.txt", "\n", "mail/magic-link.subject.txt:1:1: a subject is one line");
    check("magic-link.txt", "Hi", "mail/magic-link.txt: {{url}} is missing; the mail is sent for it");
    check(
        "one-time-code.html",
        "Hi",
        "mail/one-time-code.html: {{code}} is missing; the mail is sent for it",
    );
    let unknown = load(&[("verfy-email.txt", "Hi")]).unwrap_err();
    assert!(
        unknown.starts_with("mail/verfy-email.txt: there is no such mail (mails: verify-email,"),
        "{unknown}"
    );
    let all = load(&[("magic-link.txt", "Hi"), ("verify-email.txt", "{{x}}")]).unwrap_err();
    assert_eq!(all.lines().count(), 2, "all mistakes at once: {all}");
    let large = load(&[("magic-link.txt", &"x".repeat(300_000))]).unwrap_err();
    assert!(large.contains("at most 262144"), "{large}");
}

#[test]
fn a_file_that_is_not_utf_8_is_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("magic-link.txt"), b"\xff{{url}}").unwrap();
    let problems = Templates::load(folder.path()).unwrap_err();
    assert_eq!(problems.to_string(), "mail/magic-link.txt: is not UTF-8");
}

#[test]
fn names_that_advertise_are_left_out() {
    let check = |name: Option<&str>, expected: &str| assert_eq!(harmless_name(name), expected, "{name:?}");
    check(Some("Ann"), "Ann");
    check(Some(" Zoë O'Neil-Müller "), "Zoë O'Neil-Müller");
    check(Some("J. R. R. Tolkien"), "J. R. R. Tolkien");
    check(Some("Ann\r\nBcc: bob"), "AnnBcc: bob");
    check(None, "there");
    check(Some(""), "there");
    check(Some("\r\n"), "there");
    check(Some("You won! http://evil.test"), "there");
    check(Some("evil.test has a prize for you"), "there");
    check(Some("write to ann@evil"), "there");
    check(Some(&"a".repeat(65)), "there");
}

#[test]
fn a_line_break_in_the_product_name_begins_no_header() {
    let mail = Mail::new("ann@example.com".parse().unwrap(), Content::PasswordChanged);
    let letter = Templates::built_in().write(&mail, "Shop\r\nBcc: bob@example.com").unwrap();
    assert_eq!(letter.subject, "Your ShopBcc: bob@example.com password was changed");
}
