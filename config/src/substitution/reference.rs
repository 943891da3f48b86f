//! The grammar of references: `${env:NAME:-default}`, one within another, and `$$` for a dollar.

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Text(String),
    Reference(Reference<'a>),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reference<'a> {
    /// What stands between the braces, without the default.
    pub(crate) written: &'a str,
    pub(crate) name: Vec<Piece<'a>>,
    pub(crate) default: Option<Vec<Piece<'a>>>,
}

/// References within references.
const DEPTH_MAX: usize = 16;

/// Takes a text apart; the error says what does not fit, quoting nothing but the text of the file.
pub(crate) fn parse(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut scanner = Scanner { rest: text, depth: 0 };
    scanner.pieces(|_| false)
}

struct Scanner<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Scanner<'a> {
    fn pieces(&mut self, ends: fn(&str) -> bool) -> Result<Vec<Piece<'a>>, String> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        while !ends(self.rest) {
            let Some(character) = self.rest.chars().next() else { break };
            if self.rest.starts_with("$$") {
                self.skip(2);
                text.push('$');
            } else if self.rest.starts_with("${") {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(Piece::Reference(self.reference()?));
            } else {
                self.skip(character.len_utf8());
                text.push(character);
            }
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(pieces)
    }

    fn reference(&mut self) -> Result<Reference<'a>, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("more than {DEPTH_MAX} references within one another"));
        }
        self.skip(2);
        let before = self.rest;
        let name = self.pieces(|rest| rest.starts_with('}') || rest.starts_with(":-"))?;
        let written = before.get(..before.len() - self.rest.len()).unwrap_or_default();
        let default = if self.rest.starts_with(":-") {
            self.skip(2);
            Some(self.pieces(|rest| rest.starts_with('}'))?)
        } else {
            None
        };
        if !self.rest.starts_with('}') {
            return Err("`${` is not closed with `}`; write `$${` for the text itself".to_owned());
        }
        self.skip(1);
        self.depth -= 1;
        Ok(Reference { written, name, default })
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }
}
