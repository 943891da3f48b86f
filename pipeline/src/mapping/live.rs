//! The engines that run, for whoever asks about them or changes their rules.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use config::Problems;

use super::compiled::{Mapping, MappingKind, Rule};
use super::engine::Engine;
use super::load_builtin;

/// Rules that stand in for some of a mapping's own.
#[derive(Debug)]
pub struct Overlay {
    /// The mapping's rules for these metrics are off.
    pub replaced: Vec<String>,
    /// Their labels are laid over the mapping's.
    pub rules: Vec<Rule>,
}

/// Finds the engines of a collector; one for all its components.
#[derive(Debug, Default)]
pub struct Live {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    engines: Vec<(String, Weak<Mutex<Engine>>)>,
    overlays: HashMap<String, Arc<Overlay>>,
    /// Those that were asked for; processors share them.
    dialects: HashMap<String, Arc<Mapping>>,
}

impl Live {
    /// The built-in dialect of this name.
    pub fn dialect(&self, name: &str) -> Result<Arc<Mapping>, Problems> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dialect) = state.dialects.get(name) {
            return Ok(dialect.clone());
        }
        let loaded = load_builtin(MappingKind::Dialect, name, &BTreeMap::new())?;
        let dialect = Arc::new(loaded.mapping);
        state.dialects.insert(name.to_owned(), dialect.clone());
        Ok(dialect)
    }

    /// Adds the engine of the processor with this id; it is forgotten when the processor is gone.
    pub fn add(&self, id: &str, engine: &Arc<Mutex<Engine>>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.engines.retain(|(_, engine)| engine.strong_count() > 0);
        state.engines.push((id.to_owned(), Arc::downgrade(engine)));
        let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
        for (mapping, overlay) in &state.overlays {
            engine.overlay(mapping, Some(overlay.clone()));
        }
    }

    /// The engines that run, with the ids of their processors.
    pub fn engines(&self) -> Vec<(String, Arc<Mutex<Engine>>)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.engines.iter().filter_map(|(id, engine)| Some((id.clone(), engine.upgrade()?))).collect()
    }

    /// The rules that stand in for some of a mapping's own now.
    pub fn overlay_of(&self, mapping: &str) -> Option<Arc<Overlay>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.overlays.get(mapping).cloned()
    }

    /// Puts rules in the place of some of a mapping's own, in every engine that has it now or later.
    pub fn overlay(&self, mapping: &str, overlay: Option<Arc<Overlay>>) {
        let engines = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            match &overlay {
                Some(overlay) => state.overlays.insert(mapping.to_owned(), overlay.clone()),
                None => state.overlays.remove(mapping),
            };
            state.engines.iter().filter_map(|(_, engine)| engine.upgrade()).collect::<Vec<_>>()
        };
        for engine in engines {
            engine.lock().unwrap_or_else(PoisonError::into_inner).overlay(mapping, overlay.clone());
        }
    }
}
