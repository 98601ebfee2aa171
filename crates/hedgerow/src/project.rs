//! A project's folder: settings, entity files, migrations, seeds and local state.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hedgerow_database::migrate::MigrationFile;
use hedgerow_schema::{EntityFile, Problems, Schema};

use crate::config::{Config, Sources};

/// A project, its settings read.
#[derive(Clone, Debug)]
pub struct Project {
    /// The folder.
    pub directory: PathBuf,
    /// All settings.
    pub config: Config,
    /// Where the settings came from.
    pub sources: Sources,
}

/// Why a project cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// There is no project.
    #[error("{directory} is no Hedgerow project: it has neither hedgerow.toml nor entities/")]
    NoProject {
        /// Where it was looked for.
        directory: String,
    },
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Settings or entity files have mistakes.
    #[error("{}", .0.summary())]
    Problems(Mistakes),
}

/// Mistakes in files of the project, with the files for showing them.
#[derive(Clone, Debug)]
pub struct Mistakes {
    /// What is wrong.
    pub problems: Problems,
    /// The files, by the names that the problems use.
    pub files: Vec<EntityFile>,
}

impl Mistakes {
    fn summary(&self) -> String {
        match self.problems.0.as_slice() {
            [_] => "a file of the project has a mistake".to_owned(),
            several => format!("files of the project have {} mistakes", several.len()),
        }
    }
}

impl Project {
    /// Opens the project in `directory`.
    ///
    /// # Errors
    /// [`ProjectError`], with every mistake in hedgerow.toml and the environment.
    pub fn open(
        directory: &Path,
        environment: BTreeMap<String, String>,
        flags: BTreeMap<String, String>,
    ) -> Result<Self, ProjectError> {
        let file = directory.join("hedgerow.toml");
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound && directory.join("entities").is_dir() =>
            {
                String::new()
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ProjectError::NoProject { directory: directory.display().to_string() });
            }
            Err(source) => return Err(ProjectError::Read { path: file.display().to_string(), source }),
        };
        let sources = Sources { flags, environment, file: text };
        let config = Config::load(&sources).map_err(|problems| {
            let files = vec![EntityFile { name: "hedgerow.toml".to_owned(), text: sources.file.clone() }];
            ProjectError::Problems(Mistakes { problems, files })
        })?;
        Ok(Self { directory: directory.to_path_buf(), config, sources })
    }

    /// Where local state lies.
    pub fn state_directory(&self) -> PathBuf {
        self.directory.join(".hedgerow")
    }

    /// The entity files, in order of their names.
    ///
    /// # Errors
    /// [`ProjectError::Read`]
    pub fn entity_files(&self) -> Result<Vec<EntityFile>, ProjectError> {
        let files = self.files("entities", "toml")?;
        Ok(files
            .into_iter()
            .map(|(name, text)| EntityFile { name: format!("entities/{name}.toml"), text })
            .collect())
    }

    /// What the entity files say.
    ///
    /// # Errors
    /// [`ProjectError::Problems`] with every mistake of every file.
    pub fn schema(&self) -> Result<Schema, ProjectError> {
        let files = self.entity_files()?;
        Schema::parse(&files).map_err(|problems| ProjectError::Problems(Mistakes { problems, files }))
    }

    /// The files of `migrations/` that go forward, in order.
    ///
    /// # Errors
    /// [`ProjectError::Read`]
    pub fn migrations(&self) -> Result<Vec<MigrationFile>, ProjectError> {
        let scripts = self.files("migrations", "sql")?;
        let down = |name: &str| {
            let wanted = format!("{name}.down");
            scripts.iter().find(|(other, _)| *other == wanted).map(|(_, text)| text.clone())
        };
        let forward = scripts.iter().filter(|(name, _)| !name.ends_with(".down"));
        Ok(forward
            .map(|(name, text)| MigrationFile { name: name.clone(), text: text.clone(), down: down(name) })
            .collect())
    }

    /// The files of `seeds/`, in order.
    ///
    /// # Errors
    /// [`ProjectError::Read`]
    pub fn seeds(&self) -> Result<Vec<MigrationFile>, ProjectError> {
        let files = self.files("seeds", "sql")?.into_iter();
        Ok(files.map(|(name, text)| MigrationFile { name, text, down: None }).collect())
    }

    /// Writes a file by its path from the project's folder.
    ///
    /// # Errors
    /// [`ProjectError::Write`]
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf, ProjectError> {
        let path = self.directory.join(name);
        let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        match folder.and_then(|()| std::fs::write(&path, text)) {
            Ok(()) => Ok(path),
            Err(source) => Err(ProjectError::Write { path: path.display().to_string(), source }),
        }
    }

    /// Name without ending and content of each file of a folder that may be absent.
    fn files(&self, folder: &str, ending: &str) -> Result<Vec<(String, String)>, ProjectError> {
        let directory = self.directory.join(folder);
        let failed = |path: &Path, source| ProjectError::Read { path: path.display().to_string(), source };
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(failed(&directory, source)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(|source| failed(&directory, source))?.path();
            let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
            // Editors leave hidden files beside those they write.
            if path.extension().is_some_and(|found| found == ending) && !name.starts_with('.') {
                let text = std::fs::read_to_string(&path).map_err(|source| failed(&path, source))?;
                files.push((name, text));
            }
        }
        files.sort();
        Ok(files)
    }
}
