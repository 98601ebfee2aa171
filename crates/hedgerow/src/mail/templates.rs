//! The templates of an application: the built-in ones, and in their place what the project's folder `mail` has.
//!
//! Always holds: what was loaded can be sent: every placeholder is known, and the text has the link or the code that the
//! mail is about.

use std::collections::BTreeMap;
use std::path::Path;

use hedgerow_schema::{Problem, Problems};

use super::content::{Carries, Template, in_words};
use super::pattern::{Medium, Pattern, Placeholder, Values, one_line};
use super::{Mail, Mailbox, defaults};

/// A mail's words are read by people; what is larger is no mail.
const LARGEST: u64 = 256 * 1024;

/// A template as its author wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// One line.
    pub subject: String,
    /// For readers without HTML; has the link on one line.
    pub text: String,
    /// For others; `None` sends the text alone.
    pub html: Option<String>,
}

/// All templates, understood.
#[derive(Clone, Debug)]
pub struct Templates(BTreeMap<Template, Parts>);

#[derive(Clone, Debug)]
struct Parts {
    subject: Pattern,
    text: Pattern,
    html: Option<Pattern>,
}

/// A mail as its reader sees it.
#[derive(Clone)]
pub(crate) struct Letter {
    pub(crate) to: Mailbox,
    pub(crate) template: Template,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) code: Option<String>,
}

impl Template {
    /// The built-in words, for somebody who wants to begin with them.
    pub fn built_in(self) -> Source {
        defaults::source(self)
    }
}

impl Templates {
    /// The built-in ones.
    pub fn built_in() -> Self {
        // A test holds that no built-in template has a mistake.
        Self::read(&BTreeMap::new()).unwrap_or_else(|_| Self(BTreeMap::new()))
    }

    /// The built-in ones, with what `folder` has in their place: `<template>.subject.txt`, `<template>.txt` and
    /// `<template>.html`. A folder that is not there has nothing.
    ///
    /// A text without an HTML file beside it is sent alone: the built-in HTML would say something else.
    ///
    /// # Errors
    /// Every mistake in every file, with its line.
    pub fn load(folder: &Path) -> Result<Self, Problems> {
        let mut files = BTreeMap::new();
        let mut problems = Vec::new();
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::built_in()),
            Err(error) => return Err(unreadable(folder, &error)),
        };
        for entry in entries {
            let path = entry.map_err(|error| unreadable(folder, &error))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            // What an editor leaves behind, and what is beside templates for other reasons.
            if name.starts_with('.') || Part::of(name).is_none() {
                continue;
            }
            match read_text(&path) {
                Ok(text) => {
                    files.insert(name.to_owned(), text);
                }
                Err(message) => problems.push(Problem::without_place(&shown(name), message)),
            }
        }
        match Self::read(&files) {
            Ok(templates) if problems.is_empty() => Ok(templates),
            Ok(_) => Err(Problems(problems)),
            Err(more) => {
                problems.extend(more.0);
                Err(Problems(problems))
            }
        }
    }

    /// `files` are texts by the names of their files.
    fn read(files: &BTreeMap<String, String>) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        for name in files.keys() {
            let known =
                Part::of(name).is_some_and(|(stem, _)| Template::ALL.iter().any(|t| t.name() == stem));
            if !known {
                let mut problem = Problem::without_place(&shown(name), "there is no such mail".to_owned());
                let names: Vec<&str> = Template::ALL.iter().map(|template| template.name()).collect();
                problem.hint = Some(format!("mails: {}", names.join(", ")));
                problems.push(problem);
            }
        }
        let mut templates = BTreeMap::new();
        for template in Template::ALL {
            if let Some(parts) = Parts::read(template, files, &mut problems) {
                templates.insert(template, parts);
            }
        }
        if problems.is_empty() { Ok(Self(templates)) } else { Err(Problems(problems)) }
    }

    /// Writes the letter; `None` cannot happen with templates that were loaded.
    pub(crate) fn write(&self, mail: &Mail, product: &str) -> Option<Letter> {
        let (link, code) = (mail.content.link(), mail.content.code());
        let valid_for = link.map(|link| link.valid_for).or(code.map(|code| code.valid_for));
        let url = link.map(|link| one_line(&link.url).collect::<String>());
        let code = code.map(|code| code.code.clone());
        let values = Values {
            name: harmless_name(mail.name.as_deref()),
            url: url.clone().unwrap_or_default(),
            code: code.clone().unwrap_or_default(),
            product: product.to_owned(),
            expires: valid_for.map(in_words).unwrap_or_default(),
        };
        let template = mail.content.template();
        let parts = self.0.get(&template)?;
        Some(Letter {
            to: mail.to.clone(),
            template,
            subject: parts.subject.fill(&values, Medium::Text),
            text: parts.text.fill(&values, Medium::Text),
            html: parts.html.as_ref().map(|html| html.fill(&values, Medium::Html)),
            url,
            code,
        })
    }
}

/// The name as a greeting, or "there" where it is missing or could be an advertisement: it is chosen by whoever signs up,
/// and the mail goes to whom they like.
fn harmless_name(name: Option<&str>) -> String {
    let name: String = name.map(|name| one_line(name.trim()).collect()).unwrap_or_default();
    let mut after_dots = name.split('.').skip(1);
    let is_like_a_link = name.contains(['/', '@', '<', '>'])
        || after_dots.any(|rest| rest.chars().take_while(|c| c.is_alphanumeric()).count() >= 2);
    let fits = !name.is_empty() && name.chars().count() <= 64;
    if fits && !is_like_a_link { name } else { "there".to_owned() }
}

impl Parts {
    fn read(
        template: Template,
        files: &BTreeMap<String, String>,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let built_in = template.built_in();
        let (subject_name, text_name, html_name) =
            (format!("{template}.subject.txt"), format!("{template}.txt"), format!("{template}.html"));
        let own = |name: &str| files.get(name).map(String::as_str);
        let html = match (own(&html_name), own(&text_name)) {
            (Some(html), _) => Some(html),
            (None, Some(_)) => None,
            (None, None) => built_in.html.as_deref(),
        };
        let subject = own(&subject_name).unwrap_or(&built_in.subject);
        let text = own(&text_name).unwrap_or(&built_in.text);
        if subject.trim().is_empty() || subject.trim_end().contains(['\n', '\r']) {
            let message = "a subject is one line".to_owned();
            problems.push(Problem::at(&shown(&subject_name), subject, 0..0, message, None));
        }
        let mut read = |name: &str, text: &str| {
            let known = Placeholder::of(template.carries());
            match Pattern::read(text, known) {
                Ok(pattern) => Some(pattern),
                Err((span, message)) => {
                    let known: Vec<String> = known.iter().map(|p| format!("{{{{{}}}}}", p.name())).collect();
                    let hint = Some(format!("it knows {}", known.join(" ")));
                    problems.push(Problem::at(&shown(name), text, span, message, hint));
                    None
                }
            }
        };
        let subject = read(&subject_name, subject.trim());
        let text = read(&text_name, text);
        let html = html.map(|html| read(&html_name, html));
        let needed = match template.carries() {
            Carries::Link => Some(Placeholder::Url),
            Carries::Code => Some(Placeholder::Code),
            Carries::News => None,
        };
        for (name, pattern) in
            [(&text_name, text.as_ref()), (&html_name, html.as_ref().and_then(Option::as_ref))]
        {
            if let (Some(needed), Some(pattern)) = (needed, pattern)
                && !pattern.has(needed)
            {
                let message = format!("{{{{{}}}}} is missing; the mail is sent for it", needed.name());
                problems.push(Problem::without_place(&shown(name), message));
            }
        }
        let html = match html {
            Some(pattern) => Some(pattern?),
            None => None,
        };
        Some(Self { subject: subject?, text: text?, html })
    }
}

/// What a file of the folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Subject,
    Text,
    Html,
}

impl Part {
    /// The template's name and its part; `None` for a file that is none.
    fn of(name: &str) -> Option<(&str, Self)> {
        let endings = [(".subject.txt", Self::Subject), (".txt", Self::Text), (".html", Self::Html)];
        endings.into_iter().find_map(|(ending, part)| Some((name.strip_suffix(ending)?, part)))
    }
}

/// As the user knows the file.
fn shown(name: &str) -> String {
    format!("mail/{name}")
}

fn unreadable(folder: &Path, error: &std::io::Error) -> Problems {
    Problems(vec![Problem::without_place(&folder.display().to_string(), format!("cannot be read: {error}"))])
}

fn read_text(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > LARGEST {
        return Err(format!("has {size} bytes; a mail has at most {LARGEST}"));
    }
    let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests;
