//! How deep an expression of the template language may be.
//!
//! Its parser guards the brackets, but chains (`1+1+1`, `x|abs|abs`, `not not x`, `elif`) become trees as deep as they are
//! long, and whatever walks or frees such a tree recurses. So texts that would make one are refused before they are parsed.

use std::ops::Range;

use minijinja::machinery::{self, Token};

use super::{ParseError, engine};

/// Tokens in a chain at the most, those of the brackets around it included: far more than anybody writes, and far less than
/// the stack of a thread holds.
const LONGEST: usize = 1_000;

/// Refuses a template, or an expression without delimiters, whose syntax tree may be too deep.
pub(super) fn check(source: &str, is_expression: bool) -> Result<(), ParseError> {
    let mut chain = Chain::default();
    let mut elifs = 0;
    let mut begin = 0..0;
    let tokens = machinery::tokenize(source, is_expression, engine::syntax());
    // What is no token is for the parser to say.
    for (token, span) in tokens.map_while(Result::ok) {
        match token {
            Token::VariableStart | Token::BlockStart => {
                chain = Chain::default();
                begin = span.start_offset as usize..span.end_offset as usize;
            }
            // The rest of the statement is within it.
            Token::Ident("elif") => elifs += 1,
            Token::TemplateData(_) | Token::VariableEnd | Token::BlockEnd => {}
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => chain.open(),
            Token::ParenClose | Token::BracketClose | Token::BraceClose => chain.close(),
            // What follows stands beside what came before.
            Token::Comma => chain.current = 0,
            _ => chain.current += 1,
        }
        if chain.length() + elifs > LONGEST {
            return Err(too_long(begin));
        }
    }
    Ok(())
}

/// The chain under way, and those that the open brackets interrupt.
#[derive(Default)]
struct Chain {
    current: usize,
    around: Vec<usize>,
    sum_around: usize,
}

impl Chain {
    fn length(&self) -> usize {
        self.sum_around + self.current
    }

    fn open(&mut self) {
        let before = std::mem::take(&mut self.current) + 1;
        self.around.push(before);
        self.sum_around += before;
    }

    fn close(&mut self) {
        // The parser says where a bracket closes that was never opened.
        if let Some(before) = self.around.pop() {
            self.sum_around -= before;
            self.current = before;
        }
    }
}

fn too_long(range: Range<usize>) -> ParseError {
    ParseError {
        message: format!(
            "this expression chains more than {LONGEST} operators, filters and values"
        ),
        range,
        help: Some(
            "compute the value in `setup` or in the service, or write the result".to_owned(),
        ),
    }
}
