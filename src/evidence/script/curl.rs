//! A POSIX shell script: curl sends, and where a value is passed on, jq takes it out of an answer. Such values are kept as
//! JSON, so that a number stays a number.

mod functions;
mod verdict;

use std::fmt::Write as _;

use functions::{FOLLOW, FUNCTIONS, REQUEST};
use verdict::{filter, test, verdict};

use super::words::{Piece, constant, form, inner, json, path, pieces, printed, variable, word};
use super::{about, comment, environment, needs_origin, one_line};
use crate::expr::JsonPath;
use crate::model::{Reproduction, StatusPattern};
use crate::shell::{quoted, within};
use crate::spec::reproduction::outline::{
    Capture, Holds, Outline, Part, Sent, SentBody, SentPart, SentRetry, Source, Start,
};

/// A longer word cannot be given to a program.
const LONGEST_WORD: usize = 60_000;

pub(super) fn script(reproduction: &Reproduction, outline: &Outline) -> Result<String, String> {
    let mut body = String::new();
    for (name, default) in environment(outline) {
        body.push_str(&set(name, &reference(name, default)));
    }
    for input in &outline.inputs {
        let function = if input.typed { "scalar" } else { "string" };
        let text = word(&pieces(&input.parts, str::to_owned, "text"));
        let _ = writeln!(body, "{}=$({function} {text})", variable(&input.name));
    }
    let test = test(&outline.verdict.holds);
    let mut jar = None;
    for (position, sent) in outline.requests.iter().enumerate() {
        body.push('\n');
        body.push_str(&jar_of(sent, &mut jar));
        let is_last = position + 1 == outline.requests.len();
        let is_judged = match outline.verdict.holds {
            Holds::Status(_) => true,
            _ => test.is_none(),
        };
        body.push_str(&request(sent, outline, is_last && is_judged)?);
    }
    body.push_str(&verdict(reproduction, outline, test.as_deref())?);
    let end = match test {
        Some(_) => "with 1 while the bug is there, with 0 once it is not.",
        None => "with 1 where all of them were: only the database can tell more.",
    };
    let mut script = String::from("#!/bin/sh\n");
    script.push_str(&header(reproduction, outline, end));
    script.push_str("set -eu\n");
    script.push_str(&base_url(outline));
    let follows = follows(outline);
    if needs_origin(outline) || follows {
        script.push_str(
            "origin=$(printf %s \"$base_url\" | sed 's,^\\([a-zA-Z]*://[^/]*\\).*,\\1,')\n",
        );
    }
    let mut sending = REQUEST.to_owned();
    if has_jars(outline) {
        script.push_str("jar=cookies\n");
        sending = sending.replace("$folder/cookies", "$folder/$jar");
    }
    if follows {
        sending = sending.replace("\nsend()", "\nonce()") + FOLLOW;
    }
    script.push_str(&sending);
    for (calls, functions) in FUNCTIONS {
        if calls.iter().any(|call| body.contains(call)) {
            script.push_str(functions);
        }
    }
    script.push('\n');
    script.push_str(body.trim_start_matches('\n'));
    Ok(script)
}

/// Whether redirects are followed.
fn follows(outline: &Outline) -> bool {
    let mut all = outline.requests.iter().chain(&outline.verdict.probe);
    all.any(|sent| sent.follow_redirects > 0)
}

/// Whether there are principals, each of which has a cookie jar of its own.
fn has_jars(outline: &Outline) -> bool {
    let mut all = outline.requests.iter().chain(&outline.verdict.probe);
    all.any(|sent| sent.principal.is_some())
}

/// A command that changes to the cookie jar of whoever sends this, where that is another one.
fn jar_of<'s>(sent: &'s Sent, jar: &mut Option<&'s str>) -> String {
    let own = sent.principal.as_deref();
    if *jar == own {
        return String::new();
    }
    *jar = own;
    let name = own.map_or_else(|| "cookies".to_owned(), |name| format!("cookies-{name}"));
    format!("jar={}\n", quoted(name))
}

fn header(reproduction: &Reproduction, outline: &Outline, end: &str) -> String {
    let mut lines = about(reproduction, outline);
    lines.extend([
        String::new(),
        "Needs curl and jq, and the service in its initial state. Ends with 2 where one of these or a setting is missing, with 3"
            .to_owned(),
        format!("where a request was not answered as when the violation was found, {end}"),
    ]);
    let mut settings = Vec::new();
    if outline.base_url.is_none() {
        settings.push("BASE_URL=http://127.0.0.1:8080".to_owned());
    }
    settings.extend(
        environment(outline)
            .iter()
            .filter(|(_, default)| default.is_none())
            .map(|(name, _)| format!("{name}=...")),
    );
    if !settings.is_empty() {
        lines.push(String::new());
        lines.push(format!("  {} sh THIS_FILE", settings.join(" ")));
    }
    comment(&lines)
}

fn base_url(outline: &Outline) -> String {
    let reference = match &outline.base_url {
        Some(parts) => {
            let default: String = parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) | Part::Name(text) | Part::Segment(text) => defaulted(text),
                    Part::Environment(name, default) => reference(name, default.as_deref()),
                })
                .collect();
            format!("${{BASE_URL:-{default}}}")
        }
        None => "${BASE_URL:?say where the service answers}".to_owned(),
    };
    set("base_url", &reference) + "base_url=${base_url%/}\n"
}

/// Gives a variable of the script a value. Shells differ in how they end where a variable of the environment is missing.
fn set(name: &str, reference: &str) -> String {
    let guard = if reference.contains(":?") {
        format!("(: \"{reference}\") || exit 2\n")
    } else {
        String::new()
    };
    format!("{guard}{name}=\"{reference}\"\n")
}

/// A variable of the environment, to stand in double quotes.
fn reference(name: &str, default: Option<&str>) -> String {
    match default {
        Some(default) => format!("${{{name}:-{}}}", defaulted(default)),
        None => format!("${{{name}:?}}"),
    }
}

fn defaulted(text: &str) -> String {
    within(text, "\"\\$`}")
}

fn request(sent: &Sent, outline: &Outline, any_status: bool) -> Result<String, String> {
    let mut text = String::new();
    for note in &sent.notes {
        text.push_str(&comment(&[one_line(note)]));
    }
    if follows(outline) {
        let _ = writeln!(text, "redirects={}", sent.follow_redirects);
    }
    let status = match sent.status {
        _ if any_status => "'*'".to_owned(),
        Some(status) => status.to_string(),
        None => "'2??'".to_owned(),
    };
    let mut arguments = vec![url(sent, root(outline))];
    arguments.extend(method(sent));
    for (name, parts) in &sent.headers {
        arguments.push(format!("--header {}", header_word(name, parts)));
    }
    if let Some((user, password)) = &sent.basic {
        let mut pair = pieces(user, str::to_owned, "text");
        pair.push(Piece::Text(":".to_owned()));
        pair.extend(pieces(password, str::to_owned, "text"));
        arguments.push(format!("--user {}", word(&pair)));
    }
    let mut digits = None;
    let body = match &sent.body {
        SentBody::None => None,
        SentBody::Multipart(parts) => {
            for (position, (name, part)) in parts.iter().enumerate() {
                let (before, argument) = form_part(name, part, position + 1);
                text.push_str(&before);
                arguments.push(argument);
            }
            None
        }
        SentBody::File(path) => {
            arguments.push(format!("--data-binary {}", quoted(format!("@{path}"))));
            None
        }
        SentBody::Base64(written) => {
            digits = Some(format!("printf %s {written} | base64 -d"));
            None
        }
        SentBody::Json(tree) => Some(json(tree)),
        SentBody::Form(fields) => Some(form(fields)),
        SentBody::Text(parts) => Some(pieces(parts, str::to_owned, "text")),
    };
    // What is read from a pipe is there once.
    let is_read_once = sent.retry.is_none() && sent.follow_redirects == 0;
    let (mut before, mut behind) = (String::new(), String::new());
    let mut read = |option: &str, commands: &str| {
        if is_read_once {
            before = format!("{commands} |\n    ");
            format!("{option} @-")
        } else {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{commands} >\"$folder/sent\"");
            format!("{option} \"@$folder/sent\"")
        }
    };
    if let Some(digits) = digits {
        arguments.push(read("--data-binary", &digits));
    }
    if let Some(body) = &body {
        let fits = |text: &String| !text.contains('\0') && text.len() < LONGEST_WORD;
        let is_word = constant(body).is_some_and(|text| fits(&text));
        arguments.push(match &sent.body {
            _ if is_word => format!("--data-raw {}", word(body)),
            // `--data` leaves out the line break at the end.
            SentBody::Json(_) => {
                let lines = format!(" <<JSON\n{}\nJSON", inner(body, "\\$`"));
                if is_read_once {
                    behind = lines;
                    "--data @-".to_owned()
                } else {
                    let _ = writeln!(text, "cat >\"$folder/sent\"{lines}");
                    "--data \"@$folder/sent\"".to_owned()
                }
            }
            // A value in a word would lose the line breaks at its end.
            SentBody::Text(_) => read("--data-binary", &printed(body)),
            _ => format!("--data-raw {}", word(body)),
        });
    }
    let call = match &sent.retry {
        Some(retry) => again(retry),
        None => "request".to_owned(),
    };
    let _ = writeln!(
        text,
        "{before}{call} {} {status} {}{behind}",
        quoted(one_line(&sent.title)),
        arguments.join(" \\\n    ")
    );
    for capture in &sent.captures {
        text.push_str(&captured(capture)?);
    }
    Ok(text)
}

/// How curl is told the method.
fn method(sent: &Sent) -> Vec<String> {
    let mut arguments = Vec::new();
    match sent.method.as_str() {
        "HEAD" => arguments.push("--head".to_owned()),
        "GET" if sent.body == SentBody::None => {}
        method => {
            arguments.push(format!("--request {}", quoted(method)));
            // curl says the length of a body alone, and some servers refuse such a request without one.
            let is_empty = sent.body == SentBody::None;
            if is_empty && ["POST", "PUT", "PATCH"].contains(&method) {
                arguments.push("--header 'Content-Length: 0'".to_owned());
            }
        }
    }
    arguments
}

/// The call that sends a request until its answer is ready.
fn again(retry: &SentRetry) -> String {
    let any = |statuses: &[StatusPattern]| {
        let statuses = statuses.iter().map(|pattern| match pattern {
            StatusPattern::Code(code) => code.to_string(),
            StatusPattern::Class(class) => format!("{class}.."),
        });
        quoted(statuses.collect::<Vec<_>>().join("|"))
    };
    let status = match retry.status.as_slice() {
        [] => quoted("[1-4].."),
        several => any(several),
    };
    let filters: Vec<String> = retry.values.iter().filter_map(filter).collect();
    let (times, pause) = (retry.times, retry.every.as_secs_f64());
    let filter = quoted(filters.join(" and "));
    let (end, waited) = (any(&retry.ends), any(&retry.waited_out));
    format!("retry {times} {pause} {status} {filter} {end} {waited}")
}

/// A part of a form, and the command that is needed before. Only `--form-string` takes a text as it is, and it knows no content
/// type; a text that has one is read from a file.
fn form_part(name: &str, part: &SentPart, position: usize) -> (String, String) {
    let escaped = |text: &str| within(text, "\"\\");
    let named = |filename: &Option<String>| {
        let filename = filename.as_ref();
        filename.map_or_else(String::new, |filename| {
            format!(";filename=\"{}\"", escaped(filename))
        })
    };
    let typed = |content_type: &Option<String>| {
        let content_type = content_type.as_ref();
        content_type.map_or_else(String::new, |content_type| format!(";type={content_type}"))
    };
    match part {
        SentPart::Text(text, None, None) => {
            let mut field = vec![Piece::Text(format!("{name}="))];
            field.extend(pieces(text, str::to_owned, "text"));
            (String::new(), format!("--form-string {}", word(&field)))
        }
        SentPart::Text(text, content_type, filename) => {
            let print = printed(&pieces(text, str::to_owned, "text"));
            let file = format!("\"$folder/part-{position}\"");
            let how = if filename.is_some() { '@' } else { '<' };
            let field = quoted(format!("{name}={how}"));
            let typed = quoted(typed(content_type) + &named(filename));
            (
                format!("{print} >{file}\n"),
                format!("--form {field}{file}{typed}"),
            )
        }
        SentPart::File {
            path,
            filename,
            content_type,
        } => {
            let named = named(filename);
            let typed = typed(content_type);
            let field = format!("{name}=@\"{}\"{named}{typed}", escaped(path));
            (String::new(), format!("--form {}", quoted(field)))
        }
    }
}

/// curl sends an empty header only for `Name;`, and none for `Name:`.
fn header_word(name: &str, parts: &[Part]) -> String {
    let value = pieces(parts, str::to_owned, "text");
    let is_seen = |piece: &Piece| matches!(piece, Piece::Text(text) if !text.trim().is_empty());
    if value.iter().any(is_seen) {
        let mut header = vec![Piece::Text(format!("{name}: "))];
        header.extend(value);
        word(&header)
    } else if constant(&value).is_some() {
        quoted(format!("{name};"))
    } else {
        format!("\"$(field {} {})\"", quoted(name), word(&value))
    }
}

fn captured(capture: &Capture) -> Result<String, String> {
    let call = match &capture.source {
        Source::JsonPath(path) => {
            let filter = JsonPath::parse(path)
                .ok()
                .and_then(|path| path.to_jq())
                .ok_or_else(|| {
                    format!("jq cannot take `{path}` out of an answer; `--to hurl` can")
                })?;
            format!("value {}", quoted(&filter))
        }
        Source::Header(name) => format!("header {}", quoted(name)),
        Source::Cookie(name) => format!("cookie {}", quoted(name)),
        Source::Body => "body".to_owned(),
    };
    let call = if capture.is_relative {
        format!("{call} | complete")
    } else {
        call
    };
    let matched = capture.pattern.as_ref();
    let matched = matched.map_or_else(String::new, |it| format!(" | matched {}", quoted(it)));
    let name = variable(&capture.name);
    Ok(format!(
        "{name}=$({call}{matched}) && [ -n \"${name}\" ] || missing {name}\n"
    ))
}

/// The variable that holds the root of the host.
fn root(outline: &Outline) -> &'static str {
    if needs_origin(outline) {
        "origin"
    } else {
        "base_url"
    }
}

fn url(sent: &Sent, root: &str) -> String {
    let mut url = Vec::new();
    match sent.start {
        Start::Base => url.push(Piece::Variable("base_url".to_owned())),
        Start::Root => url.push(Piece::Variable(root.to_owned())),
        Start::Nothing => {}
    }
    url.extend(path(&sent.path, sent.start != Start::Base));
    if !sent.query.is_empty() {
        let has_query = matches!(sent.path.last(), Some(Part::Text(text)) if text.contains('?'));
        url.push(Piece::Text(if has_query { "&" } else { "?" }.to_owned()));
        url.extend(form(&sent.query));
    }
    word(&url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_of_the_environment_ends_where_it_ends() {
        assert_eq!(reference("A", Some("}\"$b")), r#"${A:-\}\"\$b}"#);
    }
}
