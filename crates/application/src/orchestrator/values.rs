use std::{
    any::{Any, TypeId, type_name},
    collections::HashMap,
    sync::Arc,
};

/// A type that use cases exchange.
#[derive(Debug, Clone, Copy)]
pub struct TypeKey {
    id: TypeId,
    /// The type's name, for people.
    pub name: &'static str,
}

impl TypeKey {
    /// The key of `T`.
    pub fn of<T: 'static>() -> Self {
        Self { id: TypeId::of::<T>(), name: type_name::<T>() }
    }
}

impl PartialEq for TypeKey {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

/// One value per type.
#[derive(Clone, Default)]
pub(super) struct Values(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl Values {
    pub(super) fn insert<T: Send + Sync + 'static>(&mut self, value: Arc<T>) {
        self.0.insert(TypeId::of::<T>(), value);
    }

    fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.get(&TypeId::of::<T>()).cloned()?.downcast().ok()
    }
}

/// What a chain's use cases provided. The input is not among it.
#[derive(Default)]
pub struct Outputs(pub(super) Values);

impl Outputs {
    /// The value of type `T`, if a use case of the chain provides one.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.get()
    }
}

/// What a use case needs: a tuple of `Arc`s, such as `(Arc<Activity>, Arc<Notification>)`, or `()`.
pub trait Needs: Sized + Send {
    /// The types.
    fn types() -> Vec<TypeKey>;

    #[doc(hidden)]
    fn take(values: &Lookup<'_>) -> Option<Self>;
}

/// What a use case provides: a tuple of values, such as `(Activity,)`, or `()`.
pub trait Provides: Send {
    /// The types.
    fn types() -> Vec<TypeKey>;

    #[doc(hidden)]
    fn put(self, into: &mut Provided<'_>);
}

/// Where needs are looked up: what was provided goes before the input.
#[doc(hidden)]
pub struct Lookup<'a> {
    pub(super) provided: &'a Values,
    pub(super) input: &'a Values,
}

/// Where provisions are put.
#[doc(hidden)]
pub struct Provided<'a>(pub(super) &'a mut Values);

impl Needs for () {
    fn types() -> Vec<TypeKey> {
        Vec::new()
    }

    fn take(_: &Lookup<'_>) -> Option<Self> {
        Some(())
    }
}

impl Provides for () {
    fn types() -> Vec<TypeKey> {
        Vec::new()
    }

    fn put(self, _: &mut Provided<'_>) {}
}

macro_rules! tuples {
    ($($name:ident),+) => {
        impl<$($name: Send + Sync + 'static),+> Needs for ($(Arc<$name>,)+) {
            fn types() -> Vec<TypeKey> {
                vec![$(TypeKey::of::<$name>()),+]
            }

            fn take(values: &Lookup<'_>) -> Option<Self> {
                Some(($(values.provided.get::<$name>().or_else(|| values.input.get())?,)+))
            }
        }

        impl<$($name: Send + Sync + 'static),+> Provides for ($($name,)+) {
            fn types() -> Vec<TypeKey> {
                vec![$(TypeKey::of::<$name>()),+]
            }

            #[expect(non_snake_case, reason = "a macro names values after their types")]
            fn put(self, into: &mut Provided<'_>) {
                let ($($name,)+) = self;
                $(into.0.insert(Arc::new($name));)+
            }
        }
    };
}

tuples!(A);
tuples!(A, B);
tuples!(A, B, C);
tuples!(A, B, C, D);
tuples!(A, B, C, D, E);
