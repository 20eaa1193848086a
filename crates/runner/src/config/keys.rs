//! The keys of a configuration. They are found by deserializing its type, so that `--help` can't differ from it.

use serde::{
    de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, MapAccess, Visitor, value},
    forward_to_deserialize_any,
};

/// A key of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// Its path: `bus.servers`.
    pub(crate) path: String,
    /// The kind of its values, for people.
    pub(crate) kind: String,
}

/// The keys of a configuration, sections after each other.
pub(crate) fn keys<T: DeserializeOwned>() -> Vec<Key> {
    let mut keys = Vec::new();
    add::<T>(&mut Vec::new(), &mut keys);
    keys
}

fn add<T: DeserializeOwned>(path: &mut Vec<&'static str>, keys: &mut Vec<Key>) {
    let mut found = None;
    // Always an error: the value at the end of the path isn't given.
    T::deserialize(Probe { path, found: &mut found }).err();
    match found {
        Some(Found::Section(fields)) => {
            for field in fields {
                path.push(field);
                add::<T>(path, keys);
                path.pop();
            }
        }
        Some(Found::Value(kind)) => keys.push(Key { path: path.join("."), kind }),
        None => {}
    }
}

/// The type at the end of a path.
enum Found {
    /// A struct with these fields.
    Section(&'static [&'static str]),
    /// A value of this kind.
    Value(String),
}

/// Deserializes the structs along a path, and finds the type at its end.
struct Probe<'a> {
    path: &'a [&'static str],
    found: &'a mut Option<Found>,
}

impl Probe<'_> {
    fn end<T>(self, found: Found) -> Result<T, value::Error> {
        *self.found = Some(found);
        Err(value::Error::custom("the end of the path"))
    }
}

/// Methods of types whose values are of one kind.
macro_rules! values {
    ($($method:ident $kind:literal)*) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            self.end(Found::Value($kind.to_owned()))
        })*
    };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        match self.path.split_first() {
            None => self.end(Found::Section(fields)),
            Some((key, path)) => visitor.visit_map(Field { key: Some(key), path, found: self.found }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        self.end(Found::Value(variants.join(" | ")))
    }

    values! {
        deserialize_bool "true | false"
        deserialize_i8 "number" deserialize_i16 "number" deserialize_i32 "number" deserialize_i64 "number"
        deserialize_u8 "number" deserialize_u16 "number" deserialize_u32 "number" deserialize_u64 "number"
        deserialize_f32 "number" deserialize_f64 "number"
        deserialize_char "text" deserialize_str "text" deserialize_string "text"
        deserialize_seq "list" deserialize_map "table" deserialize_any "table"
    }

    forward_to_deserialize_any! {
        i128 u128 bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

/// The one field of a struct that is given.
struct Field<'a> {
    key: Option<&'static str>,
    path: &'a [&'static str],
    found: &'a mut Option<Found>,
}

impl<'de> MapAccess<'de> for Field<'_> {
    type Error = value::Error;

    fn next_key_seed<K: serde::de::DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Self::Error> {
        self.key.take().map(|key| seed.deserialize(key.into_deserializer())).transpose()
    }

    fn next_value_seed<V: serde::de::DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, Self::Error> {
        seed.deserialize(Probe { path: self.path, found: self.found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, LogFormat};
    use serde::Deserialize;
    use std::{collections::BTreeMap, net::SocketAddr, num::NonZeroUsize};

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Own {
        listen: Option<SocketAddr>,
        names: Vec<String>,
        keys: BTreeMap<String, String>,
        workers: Option<NonZeroUsize>,
        format: LogFormat,
        below: Option<Below>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its type matters")]
    struct Below {
        ratio: f64,
    }

    #[test]
    fn every_key_is_found_with_the_kind_of_its_values() {
        let found = keys::<Config<Own>>();
        let found: Vec<String> = found.iter().map(|key| format!("{}: {}", key.path, key.kind)).collect();
        for expected in [
            "bus.servers: list",
            "bus.credentials: table",
            "bus.tls.ca_file: text",
            "bus.partitions: number",
            "bus.allow_unsafe: true | false",
            "admin.listen: text",
            "log.format: json | text",
            "service.listen: text",
            "service.names: list",
            "service.keys: table",
            "service.workers: number",
            "service.below.ratio: number",
        ] {
            assert!(found.iter().any(|key| key == expected), "{expected} is not among {found:#?}");
        }
    }
}
