//! The registry of report formats: `--report`, `venomqa report --to`, the help and the completions read it.

use std::io;
use std::path::PathBuf;

use super::{Problem, Session, report_file};
use crate::report::log::Log;
use crate::report::{Console, Destination, Github, Html, Json, Junit, Markdown, Report, Sarif};

/// One format that reports can be written in.
#[derive(Debug)]
pub(super) struct Format {
    pub(super) name: &'static str,
    /// For the help: a clause.
    pub(super) about: &'static str,
    /// Whether it may go to standard output.
    pub(super) to_stdout: bool,
    /// The report; `true`: a verbose one.
    report: fn(Target, bool) -> Box<dyn Report>,
}

/// Every format, in the order in which the help names them.
pub(super) const ALL: &[Format] = &[
    Format {
        name: "console",
        about: "for people: every violation as a story, then how the run went",
        to_stdout: true,
        report: |target, is_verbose| {
            let console = match target {
                Target::Stdout { color, width } => {
                    Console::new(Box::new(io::stdout()), color, width)
                }
                Target::File(destination) => Console::to_file(destination),
            };
            Box::new(console.verbose(is_verbose))
        },
    },
    Format {
        name: "json",
        about: "for programs: one document with everything but the steps",
        to_stdout: true,
        report: |target, _| Box::new(Json::new(target.destination())),
    },
    Format {
        name: "log",
        about: "the run log, one line for each event, which `venomqa report` reads",
        to_stdout: true,
        report: |target, _| Box::new(Log::new(target.destination())),
    },
    Format {
        name: "html",
        about: "one page to look around in: the states, every violation step by step",
        to_stdout: false,
        report: |target, _| Box::new(Html::new(target.destination())),
    },
    Format {
        name: "junit",
        about: "XML for GitLab, Jenkins and other CI servers",
        to_stdout: true,
        report: |target, _| Box::new(Junit::new(target.destination())),
    },
    Format {
        name: "markdown",
        about: "for the summary of a CI job, or a comment",
        to_stdout: true,
        report: |target, _| Box::new(Markdown::new(target.destination())),
    },
    Format {
        name: "github",
        about: "annotations on the lines of the spec, for GitHub Actions",
        to_stdout: true,
        report: |target, _| Box::new(Github::new(target.destination())),
    },
    Format {
        name: "sarif",
        about: "SARIF 2.1.0, for code scanning",
        to_stdout: true,
        report: |target, _| Box::new(Sarif::new(target.destination())),
    },
];

/// `--report FORMAT[=PATH]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReportRequest {
    pub(super) format: &'static Format,
    /// `None`: standard output.
    pub(super) path: Option<PathBuf>,
}

/// Where a report is to go.
enum Target {
    Stdout { color: bool, width: usize },
    File(Destination),
}

impl Target {
    fn destination(self) -> Destination {
        match self {
            Self::Stdout { .. } => Destination::stdout(Box::new(io::stdout())),
            Self::File(destination) => destination,
        }
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Format {}

/// The reports that this flag names, with their files open, so that a file that cannot be written is an error before the run
/// and not after it.
pub(super) fn open(
    session: &Session<'_>,
    flag: &str,
    requests: &[ReportRequest],
) -> Result<Vec<Box<dyn Report>>, Problem> {
    check(flag, requests)?;
    requests
        .iter()
        .map(|request| {
            let target = match &request.path {
                None => stdout(session),
                Some(path) => Target::File(report_file::create(path)?),
            };
            Ok((request.format.report)(target, session.is_verbose))
        })
        .collect()
}

/// The console report, which needs no flag.
pub(super) fn console(session: &Session<'_>) -> Box<dyn Report> {
    (ALL[0].report)(stdout(session), session.is_verbose)
}

fn stdout(session: &Session<'_>) -> Target {
    Target::Stdout {
        color: session.color_stdout,
        width: session.surroundings.report_columns(),
    }
}

/// Refuses what would mix reports, before any file is touched.
fn check(flag: &str, requests: &[ReportRequest]) -> Result<(), Problem> {
    let mut to_stdout = requests.iter().filter(|request| request.path.is_none());
    if let Some(request) = to_stdout.clone().find(|request| !request.format.to_stdout) {
        let name = request.format.name;
        return Err(
            Problem::usage(format!("the {name} report is not for standard output"))
                .help(format!("give it a file: `{flag} {name}=PATH`")),
        );
    }
    if let (Some(_), Some(second)) = (to_stdout.next(), to_stdout.next()) {
        return Err(
            Problem::usage("two reports would be mixed on standard output").help(format!(
                "give one of them a file: `{flag} {}=PATH`",
                second.format.name
            )),
        );
    }
    for (position, request) in requests.iter().enumerate() {
        if let Some(path) = &request.path
            && requests[..position]
                .iter()
                .filter_map(|earlier| earlier.path.as_ref())
                .any(|earlier| report_file::is_same(earlier, path))
        {
            return Err(Problem::usage(format!(
                "two reports would be written to `{}`",
                path.display()
            )));
        }
    }
    Ok(())
}
