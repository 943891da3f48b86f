//! Values that may be written in more than one way: one or a list, text or a map.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{ConditionMap, LabelMap};

/// The members of a map, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered<T>(pub Vec<(String, T)>);

/// `x` or `[x, y]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OneOrMany<T> {
    One(Box<T>),
    Many(Vec<T>),
}

/// An attribute, a map, or nothing.
#[derive(Debug, Clone)]
pub enum Label {
    Attribute(String),
    Map(Box<LabelMap>),
    /// Takes a label away that the file or the rule has.
    Absent,
}

/// A value, a list of them, or a map.
#[derive(Debug, Clone)]
pub enum Condition {
    OneOf(Vec<String>),
    Map(Box<ConditionMap>),
}

/// `true`, or label sets.
#[derive(Debug, Clone, Default)]
pub enum Zero {
    #[default]
    Absent,
    Present,
    Of(Vec<Ordered<String>>),
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Ordered<T> {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&T> {
        self.0.iter().find(|(own, _)| own == key).map(|(_, value)| value)
    }

    /// The keys, in the order of the file.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }
}

impl<T> OneOrMany<T> {
    /// The values, each with where it stands below the key: nothing, or `[1]`.
    pub fn each(&self) -> Vec<(String, &T)> {
        match self {
            Self::One(one) => vec![(String::new(), one)],
            Self::Many(many) => many.iter().enumerate().map(|(at, one)| (format!("[{at}]"), one)).collect(),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Ordered<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Ordered<T>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = access.next_entry()? {
                    members.push(member);
                }
                Ok(Ordered(members))
            }
        }
        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// Text, as a scalar that is not text would be written.
macro_rules! scalars {
    ($value:ty, $of_text:expr) => {
        fn visit_str<E: Error>(self, text: &str) -> Result<$value, E> {
            Ok($of_text(text.to_owned()))
        }

        fn visit_bool<E: Error>(self, bool: bool) -> Result<$value, E> {
            Ok($of_text(bool.to_string()))
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<$value, E> {
            Ok($of_text(number.to_string()))
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<$value, E> {
            Ok($of_text(number.to_string()))
        }

        // How it was written is lost, and this is compared as text.
        fn visit_f64<E: Error>(self, _: f64) -> Result<$value, E> {
            Err(E::custom("put the number in quotes, it is text here"))
        }
    };
}

impl<'de> Deserialize<'de> for OneOrMany<String> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = OneOrMany<String>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a single value or a list of them")
            }

            scalars!(OneOrMany<String>, |text| OneOrMany::One(Box::new(text)));

            fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<OneOrMany<String>, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(access)).map(OneOrMany::Many)
            }
        }
        deserializer.deserialize_any(Texts)
    }
}

impl<'de> Deserialize<'de> for OneOrMany<super::Input> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Inputs;
        impl<'de> Visitor<'de> for Inputs {
            type Value = OneOrMany<super::Input>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an input such as `{metric: NAME}`, or a list of them")
            }

            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
                let input = super::Input::deserialize(MapAccessDeserializer::new(access))?;
                Ok(OneOrMany::One(Box::new(input)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(access)).map(OneOrMany::Many)
            }
        }
        deserializer.deserialize_any(Inputs)
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Spec;
        impl<'de> Visitor<'de> for Spec {
            type Value = Label;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an attribute, a map such as `{value: x}`, or `null`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Label, E> {
                Ok(Label::Attribute(text.to_owned()))
            }

            fn visit_unit<E: Error>(self) -> Result<Label, E> {
                Ok(Label::Absent)
            }

            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Label, A::Error> {
                LabelMap::deserialize(MapAccessDeserializer::new(access)).map(|map| Label::Map(Box::new(map)))
            }
        }
        deserializer.deserialize_any(Spec)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Spec;
        impl<'de> Visitor<'de> for Spec {
            type Value = Condition;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value, a list of them, or a map such as `{present: true}`")
            }

            scalars!(Condition, |text| Condition::OneOf(vec![text]));

            fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<Condition, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(access)).map(Condition::OneOf)
            }

            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Condition, A::Error> {
                let map = ConditionMap::deserialize(MapAccessDeserializer::new(access))?;
                Ok(Condition::Map(Box::new(map)))
            }
        }
        deserializer.deserialize_any(Spec)
    }
}

impl<'de> Deserialize<'de> for Zero {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Spec;
        impl<'de> Visitor<'de> for Spec {
            type Value = Zero;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true`, or a list of label sets such as `[{status: success}]`")
            }

            fn visit_bool<E: Error>(self, bool: bool) -> Result<Zero, E> {
                Ok(if bool { Zero::Present } else { Zero::Absent })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<Zero, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(access)).map(Zero::Of)
            }
        }
        deserializer.deserialize_any(Spec)
    }
}
