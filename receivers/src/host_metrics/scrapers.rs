//! The list of scrapers: what each is called, and which section of the file it has.
//!
//! A scraper is a file with `METRICS`, what it can give, and `plan`, which makes of its section what reads; and a
//! line here.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use super::config::{
    CgroupConfig, DiskConfig, FilesystemConfig, LoadConfig, NetworkConfig, Plain, ProcessConfig,
};
use super::host::Part;
use super::lookup::Message;
use super::{
    cgroup, clock, cpu, disk, filesystem, hardware, infiniband, linux, load, memory, network, nfs, numa,
    paging, process, processes, system,
};
use crate::recorder::{Definition, Switches};

/// Makes what reads, anew for each host.
pub(super) type Make = Arc<dyn Fn() -> Box<dyn Part> + Send + Sync>;

pub(super) fn make<P: Part + 'static>(make: impl Fn() -> P + Send + Sync + 'static) -> Make {
    Arc::new(move || Box::new(make()))
}

/// A scraper that is on, as the file says it.
pub(super) struct Chosen<'a> {
    pub(super) name: &'static str,
    pub(super) metrics: &'static [Definition],
    pub(super) switches: &'a Switches,
    pub(super) make: Make,
}

/// Writes the section `scrapers` from the list, so that a new scraper is one line.
macro_rules! scrapers {
    (on unless others are listed { $($name:ident: $config:ty,)* }
     on where it is listed { $($rare:ident: $rare_config:ty,)* }) => {
        /// A scraper that is written is on, also where nothing follows its name.
        #[derive(Debug, Clone, Default, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(super) struct Scrapers {
            $(#[serde(deserialize_with = "written", skip_serializing_if = "Option::is_none")]
            $name: Option<$config>,)*
            $(#[serde(deserialize_with = "written", skip_serializing_if = "Option::is_none")]
            $rare: Option<$rare_config>,)*
        }

        impl Scrapers {
            /// What is read where nothing is listed, each with its defaults.
            pub(super) fn usual() -> Self {
                Self { $($name: Some(<$config>::default()),)* $($rare: None,)* }
            }

            pub(super) fn are_none(&self) -> bool {
                true $(&& self.$name.is_none())* $(&& self.$rare.is_none())*
            }

            pub(super) fn chosen(&self, problems: &mut Vec<Message>) -> Vec<Chosen<'_>> {
                let mut chosen = Vec::new();
                $(if let Some(config) = &self.$name {
                    let make = $name::plan(config, problems);
                    let (name, switches) = (stringify!($name), &config.metrics);
                    chosen.push(Chosen { name, metrics: $name::METRICS, switches, make });
                })*
                $(if let Some(config) = &self.$rare {
                    let make = $rare::plan(config, problems);
                    let (name, switches) = (stringify!($rare), &config.metrics);
                    chosen.push(Chosen { name, metrics: $rare::METRICS, switches, make });
                })*
                chosen
            }
        }

        /// Every scraper and what it can give.
        #[cfg(test)]
        pub(super) fn all() -> Vec<(&'static str, &'static [Definition])> {
            vec![$((stringify!($name), $name::METRICS),)* $((stringify!($rare), $rare::METRICS),)*]
        }
    };
}

scrapers! {
    on unless others are listed {
        cpu: Plain,
        load: LoadConfig,
        memory: Plain,
        numa: Plain,
        paging: Plain,
        disk: DiskConfig,
        filesystem: FilesystemConfig,
        network: NetworkConfig,
        infiniband: Plain,
        nfs: Plain,
        hardware: Plain,
        processes: Plain,
        process: ProcessConfig,
        cgroup: CgroupConfig,
        clock: Plain,
        system: Plain,
    }
    on where it is listed {
        linux: Plain,
    }
}

/// `cpu:` without anything behind it asks for the defaults.
fn written<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::<T>::deserialize(deserializer).map(|config| Some(config.unwrap_or_default()))
}
