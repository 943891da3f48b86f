//! Keeps what came from outside, and what looks like a secret, out of messages.

use crate::tree::Node;

/// Parts of keys whose values are not quoted.
const SECRET_WORDS: [&str; 10] = [
    "password",
    "secret",
    "token",
    "authorization",
    "credential",
    "headers",
    "_pem",
    "api_key",
    "apikey",
    "private",
];

/// Shorter texts than this are masked only where they are quoted: they may be in any word.
const BARE_BYTES_MIN: usize = 4;

/// Whether a value under this path is likely to be a secret.
pub(crate) fn is_secret(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| path.contains(word))
}

/// The message without the values at and below `node` that came from outside.
pub(crate) fn mask(message: &str, node: &Node) -> String {
    let mut message = message.to_owned();
    let mut texts = Vec::new();
    collect(node, &mut texts);
    texts.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    for (text, label) in texts {
        if text.is_empty() || !message.contains(&text) {
            continue;
        }
        let label = format!("the value of {label}");
        message = message.replace(&format!("`{text}`"), &label);
        message = message.replace(&format!("\"{text}\""), &label);
        if text.len() >= BARE_BYTES_MIN {
            message = message.replace(&text, &label);
        }
    }
    message
}

fn collect<'a>(node: &'a Node, texts: &mut Vec<(String, &'a str)>) {
    if let Some(hidden) = &node.hidden {
        texts.extend(hidden.texts.iter().cloned().map(|text| (text, hidden.label.as_str())));
        texts.extend(node.as_text().map(|text| (text, hidden.label.as_str())));
    }
    for child in node.children() {
        collect(child, texts);
    }
}
