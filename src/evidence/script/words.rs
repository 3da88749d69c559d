//! Words of a shell script in which values are filled in when it runs.

use std::fmt::Write as _;

use super::{in_form, in_path};
use crate::shell;
use crate::spec::reproduction::outline::{Part, Tree};

/// A piece of a word of the shell.
pub(super) enum Piece {
    /// As it is.
    Text(String),
    /// What a variable holds.
    Variable(String),
    /// What a command prints.
    Command(String),
}

impl Piece {
    /// Whether the shell would take the beginning of this text for the rest of a name before it.
    fn continues_name(&self) -> bool {
        let is_part = |first: char| first.is_ascii_alphanumeric() || first == '_';
        matches!(self, Self::Text(text) if text.starts_with(is_part))
    }
}

/// A text, its constants encoded in this way, its values by this function of the script.
pub(super) fn pieces(
    parts: &[Part],
    encode: impl Fn(&str) -> String,
    function: &str,
) -> Vec<Piece> {
    parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => Piece::Text(encode(text)),
            Part::Name(name) => Piece::Command(format!("{function} \"${}\"", variable(name))),
            Part::Segment(name) => Piece::Command(format!("query \"${}\"", variable(name))),
            Part::Environment(name, _) if function == "text" => Piece::Variable(name.clone()),
            Part::Environment(name, _) => {
                Piece::Command(format!("{function} \"$(string \"${name}\")\""))
            }
        })
        .collect()
}

/// A path, or a whole URL.
pub(super) fn path(parts: &[Part], is_absolute: bool) -> Vec<Piece> {
    let has_query = parts
        .iter()
        .any(|part| matches!(part, Part::Text(text) if text.contains('?')));
    let function = if is_absolute || has_query {
        "link"
    } else {
        "path"
    };
    pieces(parts, in_path, function)
}

/// `a=1&b=2`
pub(super) fn form(fields: &[(String, Vec<Part>)]) -> Vec<Piece> {
    let mut all = Vec::new();
    for (position, (name, value)) in fields.iter().enumerate() {
        let and = if position == 0 { "" } else { "&" };
        all.push(Piece::Text(format!("{and}{}=", in_form(name))));
        all.extend(pieces(value, in_form, "query"));
    }
    all
}

pub(super) fn json(tree: &Tree) -> Vec<Piece> {
    let text = |text: &str| vec![Piece::Text(text.to_owned())];
    let within = |open: &str, items: Vec<Vec<Piece>>, close: &str| {
        let mut all = text(open);
        for (position, item) in items.into_iter().enumerate() {
            all.extend(text(if position == 0 { "" } else { "," }));
            all.extend(item);
        }
        all.extend(text(close));
        all
    };
    let quoted = |parts: &[Part]| {
        let inside = |text: &str| {
            let quoted = serde_json::Value::from(text).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        };
        within("\"", vec![pieces(parts, inside, "inside")], "\"")
    };
    match tree {
        Tree::Value(value) => text(&value.to_string()),
        Tree::Name(name, _) => vec![Piece::Variable(variable(name))],
        Tree::Text(parts) => quoted(parts),
        Tree::List(items) => within("[", items.iter().map(json).collect(), "]"),
        Tree::Object(fields) => {
            let fields = fields.iter().map(|(name, field)| {
                let mut all = quoted(name);
                all.extend(text(":"));
                all.extend(json(field));
                all
            });
            within("{", fields.collect(), "}")
        }
    }
}

/// The text of pieces in which nothing is filled in.
pub(super) fn constant(pieces: &[Piece]) -> Option<String> {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

/// Pieces as one word of the shell.
pub(super) fn word(pieces: &[Piece]) -> String {
    constant(pieces).map_or_else(
        || format!("\"{}\"", inner(pieces, "\"\\$`")),
        |constant| shell::quoted(&constant),
    )
}

/// Pieces between quotes, or in the lines below a command, where these characters mean something else.
pub(super) fn inner(pieces: &[Piece], special: &str) -> String {
    let shown = pieces.iter().enumerate().map(|(position, piece)| {
        let next = pieces.get(position + 1);
        match piece {
            Piece::Text(constant) => shell::within(constant, special),
            Piece::Variable(name) if next.is_some_and(Piece::continues_name) => {
                format!("${{{name}}}")
            }
            Piece::Variable(name) => format!("${name}"),
            Piece::Command(command) => format!("$({command})"),
        }
    });
    shown.collect()
}

/// Commands that print pieces one after the other.
pub(super) fn printed(pieces: &[Piece]) -> String {
    let commands: Vec<String> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => shell::print(text),
            Piece::Variable(name) => format!("printf %s \"${name}\""),
            Piece::Command(command) => command.clone(),
        })
        .collect();
    match &commands[..] {
        [command] => command.clone(),
        commands => format!("{{ {}; }}", commands.join("; ")),
    }
}

/// A name as the script has it: names of the shell and of the environment begin with a capital, two are the script's own.
pub(super) fn variable(name: &str) -> String {
    let mut sane = String::with_capacity(name.len());
    for letter in name.chars() {
        if letter.is_ascii_alphanumeric() || letter == '_' {
            sane.push(letter);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(sane, "_{:x}", u32::from(letter));
        }
    }
    let is_own = ["base_url", "folder"].contains(&sane.as_str()) || sane.ends_with("_proxy");
    if is_own || !sane.starts_with(|first: char| first.is_ascii_lowercase()) {
        format!("its_{sane}")
    } else {
        sane
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_taken_for_a_command() {
        let text = [
            Part::Text("a\"`$x\\".to_owned()),
            Part::Name("id".to_owned()),
        ];
        assert_eq!(
            word(&pieces(&text, str::to_owned, "text")),
            r#""a\"\`\$x\\$(text "$id")""#
        );
    }
}
