//! The shapes that answers and bodies have.

use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{
        ObjectBuilder, Ref, RefOr, Schema, Type,
        schema::{ArrayBuilder, Components},
    },
};

/// Describes something, and puts what it is made of among the components.
pub(crate) type Shape = fn(&mut Components) -> RefOr<Schema>;

/// One of these.
pub(crate) fn one<T: ToSchema>(components: &mut Components) -> RefOr<Schema> {
    let mut parts = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut parts);
    for (name, schema) in parts {
        let before = components.schemas.insert(name.clone(), schema.clone());
        assert!(
            before.is_none_or(|before| before == schema),
            "the name {name} is that of one schema only, because a test describes everything"
        );
    }
    Ref::from_schema_name(T::name()).into()
}

/// A plain array of them.
pub(crate) fn array<T: ToSchema>(components: &mut Components) -> RefOr<Schema> {
    ArrayBuilder::new().items(one::<T>(components)).into()
}

/// `{success: true, data}`, as seeds 004, 000 and 001 have it.
pub(crate) fn data<T: ToSchema>(components: &mut Components) -> RefOr<Schema> {
    success(one::<T>(components))
}

/// The same with an array.
pub(crate) fn data_array<T: ToSchema>(components: &mut Components) -> RefOr<Schema> {
    success(array::<T>(components))
}

fn success(data: RefOr<Schema>) -> RefOr<Schema> {
    ObjectBuilder::new()
        .property("success", always(true))
        .property("data", data)
        .required("success")
        .required("data")
        .into()
}

/// `{data: [...], pagination}`, as seed 003 has it.
pub(crate) fn paged<T: ToSchema>(components: &mut Components) -> RefOr<Schema> {
    let pagination = ["total", "page", "limit", "totalPages"].into_iter();
    let pagination = pagination.fold(ObjectBuilder::new(), |object, name| {
        object.property(name, count()).required(name)
    });
    ObjectBuilder::new()
        .property("data", array::<T>(components))
        .property("pagination", pagination)
        .required("data")
        .required("pagination")
        .into()
}

/// Either of two.
pub(crate) fn either<A: ToSchema, B: ToSchema>(components: &mut Components) -> RefOr<Schema> {
    utoipa::openapi::schema::OneOfBuilder::new()
        .item(one::<A>(components))
        .item(paged::<B>(components))
        .into()
}

/// An object without members.
pub(crate) fn empty(_: &mut Components) -> RefOr<Schema> {
    ObjectBuilder::new().max_properties(Some(0)).into()
}

/// Nothing but this value.
pub(super) fn always(value: impl Serialize) -> ObjectBuilder {
    let value = serde_json::to_value(value);
    let value = value.expect("is JSON, because it is a plain value");
    let kind = if value.is_boolean() {
        Type::Boolean
    } else {
        Type::String
    };
    ObjectBuilder::new()
        .schema_type(kind)
        .enum_values(Some([value]))
}

/// A number from 0.
pub(super) fn count() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0))
}

/// Any object.
pub(crate) fn object(_: &mut Components) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Object).into()
}
