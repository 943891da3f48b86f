//! Lays one source over another; this is where figment is used.

use figment::value::{Dict, Tag, Value};
use figment::{Error, Figment, Metadata, Profile, Provider, Source};

use crate::tree::{Entry, Map, Node, Tree};

/// The sources so far, weakest first.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    figment: Figment,
    maps: Vec<Map>,
}

/// One source, as figment wants to see it.
struct Layer<'a> {
    index: usize,
    map: &'a Map,
}

impl Provider for Layer<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named("layer").source(Source::Custom(self.index.to_string()))
    }

    fn data(&self) -> Result<figment::value::Map<Profile, Dict>, Error> {
        Ok([(Profile::Default, self.map.to_dict())].into())
    }
}

impl Layers {
    /// Lays `map` over everything before it: maps are merged, everything else is replaced.
    pub(crate) fn push(&mut self, map: Map) {
        let layer = Layer { index: self.maps.len(), map: &map };
        self.figment = std::mem::take(&mut self.figment).merge(layer);
        self.maps.push(map);
    }

    /// Everything merged, each value as its own source has it.
    pub(crate) fn merged(&self) -> Node {
        let dict = self.figment.data().ok().and_then(|mut profiles| profiles.remove(&Profile::Default));
        let layers: Vec<_> = self.maps.iter().map(Some).collect();
        let location = self.maps.iter().find_map(|map| map.ordered().first()?.1.location.clone());
        let map = self.assemble(dict.unwrap_or_default(), &layers);
        Node { location, ..Node::new(Tree::Map(map)) }
    }

    fn assemble(&self, dict: Dict, layers: &[Option<&Map>]) -> Map {
        let mut map = Map::default();
        for (key, value) in dict {
            let entries: Vec<Option<&Entry>> =
                layers.iter().map(|layer| layer.and_then(|map| map.0.get(&key))).collect();
            let owner = self.layer(value.tag()).and_then(|index| *entries.get(index)?);
            let Some(owner) = owner else { continue };
            let first = entries.iter().enumerate().find_map(|(index, entry)| Some((index, (*entry)?.rank.1)));
            let (node, location) = if let Value::Dict(_, dict) = value {
                let below: Vec<_> = entries.iter().map(|entry| entry.and_then(|e| e.node.map())).collect();
                let shown = written(&entries).unwrap_or(owner);
                let mut node = self.merged_map(&owner.node, dict, &below);
                node.location.clone_from(&shown.node.location);
                (node, &shown.location)
            } else {
                (owner.node.clone(), &owner.location)
            };
            let rank = first.unwrap_or_default();
            map.0.insert(key, Entry { rank, location: location.clone(), node });
        }
        map
    }

    fn merged_map(&self, owner: &Node, dict: Dict, layers: &[Option<&Map>]) -> Node {
        let tree = Tree::Map(self.assemble(dict, layers));
        // With parts from elsewhere it is no longer what one text said.
        let alone = layers.iter().flatten().count() == 1;
        let text = owner.text.clone().filter(|_| alone);
        let hidden = owner.hidden.clone().filter(|_| alone);
        Node { tree, text, hidden, ..Node::default() }
    }

    fn layer(&self, tag: Tag) -> Option<usize> {
        self.figment.get_metadata(tag)?.source.as_ref()?.custom()?.parse().ok()
    }
}

/// The map that a file wrote last: a variable or a flag sets one value in it, and is not where it stands.
fn written<'a>(entries: &[Option<&'a Entry>]) -> Option<&'a Entry> {
    let in_file = |entry: &&Entry| entry.location.as_ref().is_some_and(|location| location.line > 0);
    entries.iter().rev().flatten().copied().filter(|entry| entry.node.map().is_some()).find(in_file)
}
