//! `Debug` for types that hold what people wrote: it shows where and what, never the text, so
//! that no log line or panic message can carry health data.

/// Implements `Debug` with these fields only; the others show as `..`.
#[doc(hidden)]
#[macro_export]
macro_rules! quiet_debug {
    ($($name:ident { $($field:ident),* $(,)? })*) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))
                    $(.field(stringify!($field), &self.$field))*
                    .finish_non_exhaustive()
            }
        })*
    };
}
