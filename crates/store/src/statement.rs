//! Statements: SQL texts with the types of their parameters.
//!
//! Every statement of this crate is declared by [`statements!`]. The compiler compares the bound values with the
//! declared parameters, in number and type. Tests compare the declaration with the migrated schema, and the plan with
//! the declared one. So what doesn't fit is found without running the code that executes the statement.

mod session;
#[cfg(test)]
pub(crate) mod tests;
mod values;

pub(crate) use session::Session;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::{
    AssertSqlSafe, Encode, PgExecutor, Postgres, Type,
    error::BoxDynError,
    postgres::{PgArguments, PgQueryResult, PgRow},
    query::Query,
};
use std::{borrow::Cow, marker::PhantomData};
use values::Encoded;

/// A statement with the list `P` of its parameters' types: nested pairs, see [`parameters!`].
pub(crate) struct Statement<P> {
    text: Cow<'static, str>,
    parameters: PhantomData<fn() -> P>,
}

impl<P> Statement<P> {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text: Cow::Borrowed(text), parameters: PhantomData }
    }

    /// Returns a statement with a text composed from parts of this crate, never from data. A function named
    /// `statements` has to list it for the tests.
    pub(crate) const fn composed(text: String) -> Self {
        Self { text: Cow::Owned(text), parameters: PhantomData }
    }
}

/// A statement to execute, once values are bound for all of its parameters. `P` is the list of those that are left.
#[must_use = "a statement has to be executed"]
pub(crate) struct Bound<P = ()> {
    text: Cow<'static, str>,
    values: Result<Vec<Encoded>, BoxDynError>,
    left: PhantomData<fn() -> P>,
}

/// Begins the execution of a statement.
pub(crate) fn query<P>(statement: Statement<P>) -> Bound<P> {
    Bound { text: statement.text, values: Ok(Vec::new()), left: PhantomData }
}

impl<P, Rest> Bound<(P, Rest)> {
    /// Binds a value for the next parameter.
    pub(crate) fn bind<'t, V>(self, value: V) -> Bound<Rest>
    where
        V: ValueOf<P> + Encode<'t, Postgres> + Type<Postgres>,
    {
        let values = self.values.and_then(|mut values| {
            values.push(Encoded::of(&value)?);
            Ok(values)
        });
        Bound { text: self.text, values, left: PhantomData }
    }
}

impl Bound {
    pub(crate) async fn execute<'c>(self, on: impl PgExecutor<'c>) -> Result<PgQueryResult, sqlx::Error> {
        self.ready()?.execute(on).await
    }

    pub(crate) async fn fetch_all<'c>(self, on: impl PgExecutor<'c>) -> Result<Vec<PgRow>, sqlx::Error> {
        self.ready()?.fetch_all(on).await
    }

    pub(crate) async fn fetch_optional<'c>(
        self,
        on: impl PgExecutor<'c>,
    ) -> Result<Option<PgRow>, sqlx::Error> {
        self.ready()?.fetch_optional(on).await
    }

    pub(crate) async fn fetch_one<'c>(self, on: impl PgExecutor<'c>) -> Result<PgRow, sqlx::Error> {
        self.ready()?.fetch_one(on).await
    }

    fn ready(self) -> Result<Query<'static, Postgres, PgArguments>, sqlx::Error> {
        // The texts of composed statements consist of parts of this crate.
        let query = sqlx::query(AssertSqlSafe(self.text));
        Ok(self.values.map_err(sqlx::Error::Encode)?.into_iter().fold(query, Query::bind))
    }
}

/// A value that is sent as the type `P` of Postgres.
pub(crate) trait ValueOf<P> {}

impl<P, V: ValueOf<P> + ?Sized> ValueOf<P> for &V {}
impl<P, V: ValueOf<P>> ValueOf<P> for Option<V> {}
impl<P, V: ValueOf<P>> ValueOf<Array<P>> for Vec<V> {}
impl<P, V: ValueOf<P>> ValueOf<Array<P>> for [V] {}
impl ValueOf<Bytea> for Vec<u8> {}
impl ValueOf<Bytea> for [u8] {}
impl ValueOf<Text> for String {}
impl ValueOf<Text> for str {}
impl ValueOf<Bool> for bool {}
impl ValueOf<Int2> for i16 {}
impl ValueOf<Int4> for i32 {}
impl ValueOf<Int8> for i64 {}
impl ValueOf<Numeric> for Decimal {}
impl ValueOf<Timestamptz> for DateTime<Utc> {}

/// Defines types of Postgres, as types of Rust without values.
macro_rules! types {
    ($($type:ident = $name:literal;)*) => {
        $(
            #[doc = concat!("The type `", $name, "`.")]
            pub(crate) enum $type {}

            #[cfg(test)]
            impl TypeName for $type {
                fn type_name() -> String {
                    $name.to_owned()
                }
            }
        )*
    };
}

types! {
    Bool = "boolean";
    Bytea = "bytea";
    Int2 = "smallint";
    Int4 = "integer";
    Int8 = "bigint";
    Numeric = "numeric";
    Text = "text";
    Timestamptz = "timestamp with time zone";
}

/// The type of arrays of `P`.
pub(crate) struct Array<P>(PhantomData<fn() -> P>);

/// Names a type of Rust for a type of Postgres, which is written as in SQL.
macro_rules! parameter {
    ($type:ident []) => { $crate::statement::Array<$crate::statement::parameter!($type)> };
    (bool) => { $crate::statement::Bool };
    (bytea) => { $crate::statement::Bytea };
    (int2) => { $crate::statement::Int2 };
    (int4) => { $crate::statement::Int4 };
    (int8) => { $crate::statement::Int8 };
    (numeric) => { $crate::statement::Numeric };
    (text) => { $crate::statement::Text };
    (timestamptz) => { $crate::statement::Timestamptz };
}

/// Names the list of the types of parameters: `parameters!(text, int8[])`.
macro_rules! parameters {
    () => { () };
    ($type:ident $([$($array:tt)?])? $(, $($rest:tt)*)?) => {
        ($crate::statement::parameter!($type $([$($array)?])?), $crate::statement::parameters!($($($rest)*)?))
    };
}

/// Declares the statements of a module, each with its plan (see [`Plan`]) and the types of its parameters.
macro_rules! statements {
    ($($(#[$meta:meta])* $visibility:vis const $name:ident: $plan:ident($($parameters:tt)*) = $text:expr;)*) => {
        $(
            $(#[$meta])*
            $visibility const $name:
                $crate::statement::Statement<$crate::statement::parameters!($($parameters)*)> =
                $crate::statement::Statement::new($text);
        )*

        /// Returns the statements that this module declares.
        #[cfg(test)]
        pub(crate) fn statements() -> Vec<$crate::statement::Declared> {
            use $crate::statement::{Declared, Plan};
            vec![$(Declared::new(concat!(module_path!(), "::", stringify!($name)), Plan::$plan, &$name)),*]
        }
    };
}

pub(crate) use {parameter, parameters, statements};

/// The reading of tables that a statement is allowed.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Every table is read by a condition on an index, so that the cost doesn't grow with the table.
    ByKey,
    /// A whole table may be read: for people, at start, or over a store's history.
    Any,
}

/// A declared statement, for tests.
#[cfg(test)]
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) plan: Plan,
    pub(crate) text: String,
    /// The names of the parameters' types.
    pub(crate) parameters: Vec<String>,
}

#[cfg(test)]
impl Declared {
    pub(crate) fn new<P: TypeNames>(name: impl Into<String>, plan: Plan, statement: &Statement<P>) -> Self {
        Self {
            name: name.into(),
            plan,
            text: statement.text.clone().into_owned(),
            parameters: P::type_names(),
        }
    }
}

/// A type of Postgres that has a name.
#[cfg(test)]
pub(crate) trait TypeName {
    fn type_name() -> String;
}

#[cfg(test)]
impl<P: TypeName> TypeName for Array<P> {
    fn type_name() -> String {
        format!("{}[]", P::type_name())
    }
}

/// A list of types that have names.
#[cfg(test)]
pub(crate) trait TypeNames {
    fn type_names() -> Vec<String>;
}

#[cfg(test)]
impl TypeNames for () {
    fn type_names() -> Vec<String> {
        Vec::new()
    }
}

#[cfg(test)]
impl<P: TypeName, Rest: TypeNames> TypeNames for (P, Rest) {
    fn type_names() -> Vec<String> {
        let mut names = vec![P::type_name()];
        names.extend(Rest::type_names());
        names
    }
}
