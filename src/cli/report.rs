//! `venomqa report`: runs that are over, rendered again from their logs.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::args::{Report, ReportCommand, ReportRuns};
use super::{ExitCode, Problem, Session, formats};
use crate::own_files;
use crate::report::log::{self, LogError};
use crate::report::{Merge, Reports};

pub(super) fn run(session: &Session<'_>, report: &Report) -> Result<ExitCode, Problem> {
    match &report.command {
        None => render(session, &report.runs),
        Some(ReportCommand::Merge(runs)) => merge(session, runs),
    }
}

/// A log that is open.
struct Source {
    name: String,
    reader: Box<dyn BufRead>,
}

/// Gives the entries of the logs to the reports, line by line, as the run itself did.
fn render(session: &Session<'_>, runs: &ReportRuns) -> Result<ExitCode, Problem> {
    let (sources, mut reports) = open(session, runs)?;
    let mut code = ExitCode::Success;
    for source in sources {
        let mut log = reports.log_replay();
        let mut over = Vec::new();
        let read = log::read(&source.name, source.reader, |entry| {
            over.extend(
                log.entry(entry)
                    .map(|run| ExitCode::of_run(&run, runs.strict)),
            );
        });
        if let Some(run) = log.end() {
            over.push(ExitCode::of_run(&run, runs.strict));
            if read.is_ok() {
                session.note(&format!(
                    "  {}: the run was killed; this is what it had seen until then",
                    source.name
                ));
            }
        }
        read.map_err(|error| unreadable(&error))?;
        code = over.into_iter().fold(code, ExitCode::max);
    }
    Ok(finish(session, runs, reports, code))
}

/// Reads all runs, then reports what they come to together.
fn merge(session: &Session<'_>, runs: &ReportRuns) -> Result<ExitCode, Problem> {
    let (sources, mut reports) = open(session, runs)?;
    let mut merge = Merge::new(&reports);
    for source in sources {
        merge
            .read(&source.name, source.reader)
            .map_err(|error| unreadable(&error))?;
    }
    let mut code = ExitCode::Success;
    for run in merge.into_runs() {
        code = code.max(ExitCode::of_run(&run, runs.strict));
        reports.report(run);
    }
    Ok(finish(session, runs, reports, code))
}

fn finish(
    session: &Session<'_>,
    runs: &ReportRuns,
    mut reports: Reports,
    code: ExitCode,
) -> ExitCode {
    let mut end = if runs.exit_code {
        code
    } else {
        ExitCode::Success
    };
    for error in reports.finish(code.number()) {
        session.complain(&error.to_string(), None);
        end = end.max(ExitCode::Failed);
    }
    end
}

/// The logs, then the files to write: no report is emptied for a log that is not there.
fn open(session: &Session<'_>, runs: &ReportRuns) -> Result<(Vec<Source>, Reports), Problem> {
    let sources = runs.from.iter().map(source).collect::<Result<_, _>>()?;
    for path in runs.to.iter().filter_map(|request| request.path.as_ref()) {
        if runs.from.iter().any(|from| is_same_file(from, path)) {
            return Err(Problem::usage(format!(
                "the report would overwrite `{}`, from which it is made",
                path.display()
            )));
        }
    }
    let mut reports = formats::open(session, "--to", &runs.to)?;
    if reports.is_empty() {
        reports.push(formats::console(session));
    }
    Ok((sources, Reports::new(reports)))
}

fn source(path: &PathBuf) -> Result<Source, Problem> {
    if path == Path::new("-") {
        return Ok(Source {
            name: "<stdin>".to_owned(),
            reader: Box::new(BufReader::new(io::stdin())),
        });
    }
    let unreadable = |error: io::Error| {
        Problem::usage(format!("cannot read `{}`: {error}", path.display()))
            .help("`venomqa explore --report log=PATH` writes a run log")
    };
    if path.is_dir() {
        return Err(Problem::usage(format!(
            "`{}` is a folder; expected a run log",
            path.display()
        )));
    }
    let file = own_files::open_named(path).map_err(unreadable)?;
    Ok(Source {
        name: path.display().to_string(),
        reader: Box::new(BufReader::new(file)),
    })
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

fn unreadable(error: &LogError) -> Problem {
    Problem::usage(error.to_string()).help(error.help)
}
