//! Points as text, one a line: what `debug` prints, and what tests are written in.
//!
//! ```text
//! resource {service.name="vllm"}
//! scope "receiver/prometheus" "1.0"
//! about "Requests answered." {prometheus.type="counter"}
//! counter requests{code=200,"odd key"="x"} [{request}] = 17 @1600000000000000000..1700000000000000000
//! ```
//!
//! What [`write()`] writes, [`parse`] reads back equal, bit for bit. What is empty or zero is left out.
//! Blank lines, and lines that start with `#`, are passed over.
//!
//! ```text
//! line      = resource | scope | about | point
//! resource  = "resource" [map] ["schema" string] ["dropped" integer] {"entity" bytes}
//! scope     = "scope" [string [string]] [map] ["schema" string] ["dropped" integer]
//! about     = "about" [string] [map]
//! point     = kind name [map] ["[" unit "]"] "=" value ["@" [start ".."] time] ["flags" integer] {exemplar}
//! kind      = "gauge" | "summary" | ["delta"] ("counter" | "updown" | "histogram" | "exponential")
//! value     = "stale" | "empty" | integer | double | words
//! exemplar  = "exemplar" (integer | double) ["@" time] [map] ["trace" bytes] ["span" bytes]
//! map       = "{" [name "=" any {"," name "=" any}] "}"
//! any       = string | integer | double | "true" | "false" | "null" | bytes | map | "[" [any {"," any}] "]"
//! ```
//!
//! - A `resource` line holds for the points below it, and starts with an unnamed scope; a `scope` line holds
//!   for the points below it, and starts without a description; an `about` line gives the description and the
//!   metadata of the metrics below it.
//! - A `counter` is a monotonic sum, an `updown` one that is not; without `delta` they are cumulative.
//! - A number without point, exponent or word is an integer; `nan`, `inf` and `-inf` are doubles, and
//!   `nan(7ff0000000000002)` is a NaN of those bits. Bytes are `0x` and hexadecimal digits.
//! - A name is bare when it starts with a letter or `_` and goes on with letters, digits and `_.:/-`; any
//!   other is a string. A unit is bare unless it holds blanks, brackets or quotes.
//! - A string stands in quotes, with the escapes `\\`, `\"`, `\n`, `\r`, `\t` and `\u{hex}`; control
//!   characters, and those that would reorder a line on a terminal, are always escaped.
//! - The words of a histogram are `count N sum X min X max X buckets 1.0:3 2.5:4 inf:0`, each bucket with its
//!   upper bound; of an exponential histogram `count N sum X min X max X scale N zero N threshold X
//!   positive OFFSET:N,N,N negative OFFSET:N,N`; of a summary `count N sum X quantiles 0.5:1.0 0.99:3.0`.
//! - `stale` is a marker that the series has ended; `empty` is no value without that mark.

mod cursor;
mod parser;
mod writer;

use std::fmt;

pub use parser::parse;
pub use writer::{write, write_point, write_series};

/// A line that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Counted from 1.
    pub line: usize,
    pub reason: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for Error {}

/// The body of the fuzz target: what can be read is written, and reads back bit for bit.
#[doc(hidden)]
pub fn fuzz(bytes: &[u8]) {
    let registry = crate::registry::Registry::new(1_000);
    let Ok(batch) = parse(&String::from_utf8_lossy(bytes), &registry) else { return };
    let written = write(&batch);
    let again = parse(&written, &registry).expect("what is written can be read");
    assert_eq!(write(&again), written);
    // As bytes, since `NaN` is not equal to itself.
    let (mut encoded, mut encoded_again) = (Vec::new(), Vec::new());
    crate::otlp::encode(&batch, &mut encoded);
    crate::otlp::encode(&again, &mut encoded_again);
    assert_eq!(encoded, encoded_again);
}

fn is_bare_start(character: char) -> bool {
    character.is_ascii_alphabetic() || character == '_'
}

fn is_bare(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_.:/-".contains(character)
}

/// Whether a unit may hold this character without quotes.
fn is_unit(character: char) -> bool {
    !character.is_whitespace() && !is_unprintable(character) && !"[]\"\\".contains(character)
}

/// Control characters, and what reorders or hides text on a terminal.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests;
