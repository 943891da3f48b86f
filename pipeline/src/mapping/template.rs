//! Reads text with places to be filled in: `${resource:service.name}-${gen_ai.request.model}`.

use std::collections::BTreeMap;

use super::compiled::{Part, Place, Template};

/// What may stand in a template, beside attributes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fillings<'a> {
    /// `None` where attributes may not stand.
    pub(super) has_attributes: bool,
    /// How many groups every pattern of the inputs has; 0 where there is none.
    pub(super) groups: usize,
    pub(super) parameters: &'a BTreeMap<String, String>,
}

/// Reads an attribute: `name` or `point:name`, `resource:name`, `scope:name`.
pub(super) fn place(text: &str) -> Result<Place, String> {
    let place = match text.split_once(':') {
        None => Place::Point(text.to_owned()),
        Some(("point", name)) => Place::Point(name.to_owned()),
        Some(("resource", name)) => Place::Resource(name.to_owned()),
        Some(("scope", name)) => Place::Scope(name.to_owned()),
        Some((prefix, _)) => {
            let instead = config::instead(prefix, &["point", "resource", "scope"]).unwrap_or_default();
            return Err(format!("attributes of `{prefix}` are unknown; {instead}"));
        }
    };
    let (Place::Point(name) | Place::Resource(name) | Place::Scope(name)) = &place;
    if name.is_empty() {
        return Err(format!("expected the name of an attribute, got `{text}`"));
    }
    Ok(place)
}

/// Reads a template; `$$` is a dollar sign.
pub(super) fn parse(text: &str, fillings: Fillings<'_>) -> Result<Template, String> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('$') {
        literal.push_str(before);
        if let Some(behind) = behind.strip_prefix('$') {
            literal.push('$');
            rest = behind;
            continue;
        }
        let inner = behind.strip_prefix('{').and_then(|behind| behind.split_once('}'));
        let Some((name, behind)) = inner else {
            return Err(format!("expected `${{...}}` (or `$$` for a dollar sign) in `{text}`"));
        };
        match filling(name, fillings)? {
            Part::Text(value) => literal.push_str(&value),
            part => {
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                }
                parts.push(part);
            }
        }
        rest = behind;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Text(literal));
    }
    Ok(Template(parts))
}

fn filling(name: &str, fillings: Fillings<'_>) -> Result<Part, String> {
    if let Ok(group) = name.parse::<usize>() {
        return match fillings.groups {
            0 => Err(format!("`${{{group}}}` is a group of a pattern, and not every input has one")),
            count if group > count => {
                Err(format!("the pattern has {count} groups, and `${{{group}}}` is none"))
            }
            _ => Ok(Part::Group(group)),
        };
    }
    if let Some(parameter) = name.strip_prefix("parameter:") {
        return match fillings.parameters.get(parameter) {
            Some(value) => Ok(Part::Text(value.clone())),
            None => Err(unknown_parameter(parameter, fillings.parameters)),
        };
    }
    match name {
        "name" => Ok(Part::Name),
        name if fillings.has_attributes => place(name).map(Part::Attribute),
        name => Err(format!("`${{{name}}}` cannot stand here; `${{name}}` and groups such as `${{1}}` can")),
    }
}

pub(super) fn unknown_parameter(name: &str, parameters: &BTreeMap<String, String>) -> String {
    let known: Vec<_> = parameters.keys().collect();
    match config::instead(name, &known) {
        Some(instead) => format!("`{name}` is no parameter of this file; {instead}"),
        None => format!("`{name}` is no parameter of this file; it has none, add it under `parameters`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&[Part], &str>) {
        let parameters = BTreeMap::from([("cluster".to_owned(), "c1".to_owned())]);
        let fillings = Fillings { has_attributes: true, groups: 1, parameters: &parameters };
        match (parse(text, fillings), expected) {
            (Ok(template), Ok(expected)) => assert_eq!(template.0, expected, "{text}"),
            (Err(message), Err(expected)) => {
                assert!(message.contains(expected), "`{message}` should contain `{expected}`");
            }
            (got, _) => panic!("{text}: {got:?}"),
        }
    }

    fn text(text: &str) -> Part {
        Part::Text(text.to_owned())
    }

    #[test]
    fn places_are_filled_by_attributes_groups_names_and_parameters() {
        check("plain", Ok(&[text("plain")]));
        check("", Ok(&[]));
        check("a-${x.y}", Ok(&[text("a-"), Part::Attribute(Place::Point("x.y".to_owned()))]));
        check(
            "${resource:a}${scope:b}",
            Ok(&[
                Part::Attribute(Place::Resource("a".to_owned())),
                Part::Attribute(Place::Scope("b".to_owned())),
            ]),
        );
        check("${point:name}", Ok(&[Part::Attribute(Place::Point("name".to_owned()))]));
        check("${name}_${1}", Ok(&[Part::Name, text("_"), Part::Group(1)]));
        check("$${x}-${parameter:cluster}!", Ok(&[text("${x}-c1!")]));
    }

    #[test]
    fn what_cannot_be_filled_says_why() {
        check("${2}", Err("the pattern has 1 groups"));
        check("${x", Err("expected `${...}`"));
        check("$x", Err("expected `${...}`"));
        check("${}", Err("expected the name of an attribute"));
        check("${resorce:x}", Err("did you mean `resource`?"));
        check("${parameter:clutser}", Err("did you mean `cluster`?"));
    }
}
