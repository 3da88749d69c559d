//! From a file to a [`Loaded`]: the stages in their order.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Read as _};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use super::document::{Action, AfterRestore, Document, Invariant, Item, Setup};
use super::names::DeclaredNames;
use super::problems::Problems;
use super::reproduction::{self, CompiledReproduction, LoadedReproduction};
use super::yaml::{Node, Tree};
use super::{Environment, Loaded, Places, Written, fill, lower};
use crate::diagnostic::{Code, Diagnostic, Path, Place, SourceId, Sources};
use crate::model::{ActionId, Model, OracleName, Reproduction};
use crate::own_files;
use crate::secret::without_password;

/// Version of the format that this program reads.
const VERSION: u64 = 1;

/// Sections that are read item by item.
const LISTS: [&str; 4] = [
    Action::SECTION,
    Invariant::SECTION,
    Setup::SECTION,
    AfterRestore::SECTION,
];

/// A larger file is not a spec but a database, or a device without end.
const MAX_BYTES: u64 = 50_000_000;

/// The content; of a larger file the first [`MAX_BYTES`] and one more.
fn read_file(path: &FilePath) -> io::Result<Vec<u8>> {
    let folder = path
        .parent()
        .filter(|folder| folder.ends_with(reproduction::FOLDER));
    let file = match folder {
        Some(folder) => own_files::refuse_link(folder).and_then(|()| own_files::open(path)),
        None => own_files::open_named(path),
    }?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What kind of document is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Spec,
    Reproduction,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Spec => "spec",
            Self::Reproduction => "reproduction",
        }
    }

    /// How to get such a file.
    fn source(self) -> &'static str {
        match self {
            Self::Spec => "`venomqa init` writes a spec to start from",
            Self::Reproduction => {
                "`venomqa explore` writes reproductions to `.venomqa/` beside the spec"
            }
        }
    }
}

/// Reads a spec from a file.
pub fn load(path: &FilePath, environment: &Environment<'_>) -> Loaded {
    match text_of(path, Kind::Spec) {
        Ok(text) => parse(path, &text, environment),
        Err(unread) => *unread,
    }
}

/// Reads a reproduction from a file.
pub fn load_reproduction(path: &FilePath, environment: &Environment<'_>) -> LoadedReproduction {
    match text_of(path, Kind::Reproduction) {
        Ok(text) => parse_reproduction(path, &text, environment),
        Err(unread) => LoadedReproduction {
            case: None,
            diagnostics: unread.diagnostics,
            sources: unread.sources,
        },
    }
}

/// The values that a reproduction leaves to the environment, as the spec has them that it was made from; none where that
/// cannot be read. `invariants` names those that an oracle needs.
pub fn secrets_of_reproduction(
    path: &FilePath,
    environment: &Environment<'_>,
    invariants: impl Fn(&Model, &OracleName) -> Vec<String>,
) -> IndexMap<String, String> {
    let find = || {
        // What can be read only once is left alone.
        let text = (!own_files::is_stream(path)).then(|| text_of(path, Kind::Reproduction));
        let text = text?.ok()?;
        let (reproduction, spec) = reproduction::read_with_spec(path, &text).ok()?;
        let written = Tree::parse(SourceId(0), &text).0.written()?;
        // A spec that leaves the address to `--base-url` cannot be read without one.
        let addresses = [None, Some("http://127.0.0.1")];
        let spec = addresses.into_iter().find_map(|base_url| {
            let as_written = Environment {
                overrides: &[],
                base_url,
                ..*environment
            };
            load(&spec, &as_written).spec
        })?;
        let invariants = invariants(&spec.model, &reproduction.oracle);
        Some(reproduction::secrets_of(
            &written,
            &spec,
            &reproduction,
            &invariants,
        ))
    };
    find().unwrap_or_default()
}

/// The folder of a file; the current one for a bare file name.
pub(super) fn folder_of(file: &FilePath) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The text of a file, or why there is none.
fn text_of(path: &FilePath, kind: Kind) -> Result<String, Box<Loaded>> {
    let name = path.display();
    let bytes = match read_file(path) {
        Ok(bytes) if bytes.len() as u64 > MAX_BYTES => {
            let message = format!("`{name}` is larger than {} MB", MAX_BYTES / 1_000_000);
            let help = format!("no {} needs that; is this the right file?", kind.name());
            return Err(unread(Code::CannotRead, message, &help));
        }
        Ok(bytes) => bytes,
        Err(error) => {
            let (message, help) = match error.kind() {
                io::ErrorKind::NotFound => (format!("there is no file `{name}`"), kind.source()),
                _ if path.is_dir() => (
                    format!("`{name}` is a directory, not a {}", kind.name()),
                    match kind {
                        Kind::Spec => "name the spec files in it",
                        Kind::Reproduction => "name one of the files in it",
                    },
                ),
                _ => (
                    format!("cannot read `{name}`: {error}"),
                    "check the file and its permissions",
                ),
            };
            return Err(unread(Code::CannotRead, message, help));
        }
    };
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let mut unread = unread(Code::NotUtf8, "the file is not UTF-8", "save it as UTF-8");
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        // The text before the first bad byte is unchanged, so its place is the same in the repaired text.
        let id = unread.sources.add(name.to_string(), text);
        let bad = at..at + '\u{fffd}'.len_utf8();
        unread.diagnostics = std::mem::take(&mut unread.diagnostics)
            .into_iter()
            .map(|problem| problem.at(id, bad.clone(), "this byte is not"))
            .collect();
        unread
    })
}

/// The result where there is no text to read.
fn unread(code: Code, message: impl Into<String>, help: &str) -> Box<Loaded> {
    Box::new(Loaded {
        spec: None,
        diagnostics: vec![Diagnostic::error(code, message).help(help)],
        sources: Sources::default(),
    })
}

/// Reads a spec from a text; `path` names it and gives its folder.
pub fn parse(path: &FilePath, text: &str, environment: &Environment<'_>) -> Loaded {
    stages(path, text, environment, Kind::Spec).0
}

/// Reads a reproduction from a text; `path` names it and gives its folder.
pub fn parse_reproduction(
    path: &FilePath,
    text: &str,
    environment: &Environment<'_>,
) -> LoadedReproduction {
    // What was taken out of the file as a secret is one here as well, wherever the path leads it.
    let taken_out = RefCell::new(Vec::new());
    let variable = |name: &str| {
        let value = (environment.variable)(name)?;
        if name.starts_with(reproduction::TAKEN_OUT) {
            taken_out.borrow_mut().push(Value::from(value.as_str()));
        }
        Some(value)
    };
    let noting = Environment {
        variable: &variable,
        ..*environment
    };
    let (loaded, found) = stages(path, text, &noting, Kind::Reproduction);
    if let Some(spec) = &loaded.spec {
        let secrets = &spec.world.secrets;
        for value in taken_out.borrow().iter() {
            // A short one may be any word elsewhere, as when it was taken out.
            secrets.learn_likely("password", value);
        }
    }
    LoadedReproduction {
        case: loaded
            .spec
            .zip(found)
            .map(|(spec, (reproduction, path))| CompiledReproduction {
                spec,
                reproduction,
                path,
            }),
        diagnostics: loaded.diagnostics,
        sources: loaded.sources,
    }
}

/// The stages of reading a text, in order.
fn stages(
    path: &FilePath,
    text: &str,
    environment: &Environment<'_>,
    kind: Kind,
) -> (Loaded, Option<(Reproduction, Vec<ActionId>)>) {
    let mut sources = Sources::default();
    let id = sources.add(path.display().to_string(), text);
    let (tree, found) = Tree::parse(id, text);
    let written = tree.written();
    let mut problems = Problems::new(tree, found);
    let mut spec = None;
    let mut found = None;
    if written.is_none() && !problems.has_errors() {
        problems.add(empty(kind).at(id, 0..0, ""));
    } else if let Some(written) = written {
        let mut tree = fill::fill(&written, &mut problems, environment);
        fill::apply_overrides(&mut tree, environment.overrides, |text, diagnostic| {
            let id = sources.add("--set", text);
            problems.add(diagnostic.at(id, 0..text.len(), ""));
        });
        if let Some(url) = environment.base_url
            && let Some(reason) = lower::wrong_url(url)
        {
            let url = without_password(url);
            let id = sources.add("--base-url", &url);
            problems.add(
                Diagnostic::error(
                    Code::BadOverride,
                    format!("`{url}` is no base URL: {reason}"),
                )
                .at(id, 0..url.len(), ""),
            );
        }
        let sections = match kind {
            Kind::Spec => None,
            Kind::Reproduction => reproduction::read_sections(&tree, &mut problems),
        };
        if let Some(document) = document(&tree, &mut problems, kind) {
            let mut known = DeclaredNames::collect(&tree, &document);
            if let Some(sections) = &sections {
                known.variables.extend(sections.undefined().iter().cloned());
                sections.counters().clone_into(&mut known.counters);
            }
            let base_dir = match &sections {
                Some(sections) => sections.base_dir(path),
                None => folder_of(path),
            };
            let mut lowered = lower::lower(
                path,
                &document,
                &known,
                &mut problems,
                environment,
                &base_dir,
            );
            lowered.places = places(&lowered.model, &document, &problems);
            lowered.written = Arc::new(Written {
                sections: match written {
                    Node::Map(sections) => sections,
                    _ => Vec::new(),
                },
                replaced: environment
                    .overrides
                    .iter()
                    .map(|(name, _)| name.clone())
                    .collect(),
                base_url: environment.base_url.map(str::to_owned),
            });
            if let Some(sections) = sections {
                let checks = environment.vocabulary.checks;
                found = sections.resolve(&lowered.model, checks, &mut problems);
            }
            spec = Some(lowered);
        }
    }
    let spec = spec.filter(|_| !problems.has_errors());
    let mut diagnostics = problems.finish();
    if kind == Kind::Reproduction {
        // Nobody wrote the file by hand, so an unused variable is nobody's mistake.
        diagnostics.retain(|problem| problem.code != Code::UnusedVariable);
    }
    let loaded = Loaded {
        spec,
        diagnostics,
        sources,
    };
    (loaded, found)
}

/// Where each action and each invariant of the model is declared: where its name stands.
fn places(model: &Model, document: &Document, problems: &Problems) -> Places {
    let tree = problems.tree();
    let lines = tree.lines();
    let place = |section: &str, position: usize| {
        let name = Path::root().key(section).index(position).key("name");
        let (line, column) = lines.place(tree.nearest(&name).start);
        Place { line, column }
    };
    let declared: HashMap<&str, usize> = document
        .actions
        .iter()
        .map(|action| (action.name.as_str(), action.position))
        .collect();
    Places {
        actions: model
            .actions
            .iter()
            .map(|action| {
                let position = declared.get(action.base_name.as_str())?;
                Some(place("actions", *position))
            })
            .collect(),
        invariants: document
            .invariants
            .iter()
            .map(|invariant| Some(place("invariants", invariant.position)))
            .collect(),
    }
}

fn empty(kind: Kind) -> Diagnostic {
    Diagnostic::error(Code::EmptySpec, format!("the {} is empty", kind.name())).help(kind.source())
}

/// The document types of a tree; `None` when it is no mapping at all.
fn document(tree: &Value, problems: &mut Problems, kind: Kind) -> Option<Document> {
    let root = Path::root();
    if tree.is_null() {
        problems.at_value(&root, "", empty(kind));
        return None;
    }
    let mut hidden = LISTS.to_vec();
    let section = reproduction::KEYS[0];
    if kind == Kind::Reproduction {
        hidden.extend(reproduction::KEYS);
    } else if tree.get(section).is_some() {
        hidden.extend(reproduction::KEYS);
        problems.at_key(
            &root.key(section),
            "",
            Diagnostic::error(Code::UnknownKey, "this is a reproduction, not a spec")
                .help("run it with `venomqa replay FILE`"),
        );
    }
    let mut document = problems.read::<Document>(tree, &root, &hidden)?;
    document.actions = items(tree, problems);
    document.invariants = items(tree, problems);
    document.setup = items(tree, problems);
    document.after_restore = items(tree, problems);
    version(&document, problems);
    let actions = root.key("actions");
    match tree.get("actions") {
        None => problems.at_key(
            &root,
            "",
            Diagnostic::error(Code::MissingKey, "the spec lacks the key `actions`")
                .help("list what can be done: `actions: [{ name: ..., request: { path: /... } }]`"),
        ),
        // A violation of the initial state needs no action.
        Some(Value::Array(list)) if list.is_empty() && kind == Kind::Reproduction => {}
        Some(Value::Array(list)) if list.is_empty() => problems.at_value(
            &actions,
            "expected at least one action",
            Diagnostic::error(
                Code::BadValue,
                "`actions` is empty: there is nothing to explore",
            ),
        ),
        Some(_) => {}
    }
    Some(document)
}

/// The items of a section, each read by itself so that each says all that is wrong with it.
pub(super) fn items<T: Item>(tree: &Value, problems: &mut Problems) -> Vec<T> {
    let at = Path::root().key(T::SECTION);
    let list = match tree.get(T::SECTION) {
        None => return Vec::new(),
        Some(Value::Array(list)) => list,
        Some(other) => {
            // Reading it as a list yields the same message as for any other wrong type.
            problems.read::<Vec<T>>(other, &at, &[]);
            return Vec::new();
        }
    };
    let mut items = Vec::with_capacity(list.len());
    for (position, item) in list.iter().enumerate() {
        if let Some(mut item) = problems.read::<T>(item, &at.index(position), &[]) {
            item.stands_at(position);
            items.push(item);
        }
    }
    items
}

fn version(document: &Document, problems: &mut Problems) {
    let at = Path::root().key("venomqa");
    match document.venomqa {
        Some(VERSION) => {}
        Some(version) => problems.at_value(
            &at,
            &format!("expected {VERSION}"),
            Diagnostic::error(
                Code::WrongVersion,
                format!("this program reads version {VERSION} of the format, not {version}"),
            )
            .help(format!("write `venomqa: {VERSION}`")),
        ),
        None if problems.is_broken(&at) && problems.tree().value(&at).is_some() => {}
        None => problems.at_key(
            &Path::root(),
            "",
            Diagnostic::error(Code::MissingKey, "the spec lacks the key `venomqa`")
                .help(format!("begin the file with `venomqa: {VERSION}`")),
        ),
    }
}
