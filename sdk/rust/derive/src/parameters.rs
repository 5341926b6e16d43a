//! `#[derive(Parameters)]` generates a schema and a parser from the fields of a struct.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::meta::ParseNestedMeta;
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, ExprUnary, Field, Fields, Ident, Lit, LitStr,
    Result, Type, UnOp,
};

/// A field with the contents of its attributes.
struct Parameter {
    field: Ident,
    value: Type,
    name: String,
    doc: String,
    default: Option<String>,
    minimum: Option<Expr>,
    maximum: Option<Expr>,
}

/// Generates the implementation for a struct.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let parameters = fields(input)?
        .map(Parameter::read)
        .collect::<Result<Vec<_>>>()?;
    let entries = parameters.iter().map(Parameter::schema);
    let values = parameters.iter().enumerate().map(|(index, parameter)| {
        let Parameter { field, .. } = parameter;
        quote!(#field: ::tickdeck_sdk::params::read(given, &schema[#index])?)
    });
    let (name, (generics, types, bounds)) = (&input.ident, input.generics.split_for_impl());
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::tickdeck_sdk::Parameters for #name #types #bounds {
            fn schema() -> ::std::vec::Vec<::tickdeck_sdk::Parameter> {
                ::std::vec![#(#entries),*]
            }

            fn parse(
                given: &[(::std::string::String, ::std::string::String)],
            ) -> ::core::result::Result<Self, ::std::string::String> {
                let schema = <Self as ::tickdeck_sdk::Parameters>::schema();
                ::core::result::Result::Ok(Self { #(#values),* })
            }
        }
    })
}

fn fields(input: &DeriveInput) -> Result<impl Iterator<Item = &Field>> {
    match &input.data {
        Data::Struct(data) if matches!(data.fields, Fields::Named(_)) => Ok(data.fields.iter()),
        _ => Err(Error::new_spanned(
            &input.ident,
            "parameters are a struct with named fields (or `()` for none)",
        )),
    }
}

impl Parameter {
    fn read(field: &Field) -> Result<Self> {
        let ident = field
            .ident
            .clone()
            .expect("only structs with named fields come here");
        let mut parameter = Self {
            name: ident.to_string(),
            field: ident,
            value: field.ty.clone(),
            doc: doc_comment(&field.attrs),
            default: None,
            minimum: None,
            maximum: None,
        };
        for attribute in field
            .attrs
            .iter()
            .filter(|attribute| attribute.path().is_ident("param"))
        {
            attribute.parse_nested_meta(|meta| parameter.set(&meta))?;
        }
        if parameter.doc.is_empty() {
            let message = format!(
                "say what `{}` is for, in a doc comment: it is shown to the user",
                parameter.name
            );
            return Err(Error::new_spanned(field, message));
        }
        Ok(parameter)
    }

    /// Reads one `key = value` of a `#[param(...)]`.
    fn set(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let Some(key) = meta.path.get_ident().map(Ident::to_string) else {
            return Err(meta.error("unknown key"));
        };
        match key.as_str() {
            "default" => self.default = Some(literal(&meta.value()?.parse()?)?),
            "min" => self.minimum = Some(number(meta.value()?.parse()?)?),
            "max" => self.maximum = Some(number(meta.value()?.parse()?)?),
            "doc" => self.doc = meta.value()?.parse::<LitStr>()?.value(),
            "name" => self.name = meta.value()?.parse::<LitStr>()?.value(),
            _ => {
                return Err(
                    meta.error("unknown key: there are `default`, `min`, `max`, `doc` and `name`")
                );
            }
        }
        Ok(())
    }

    fn schema(&self) -> TokenStream {
        let Self {
            value, name, doc, ..
        } = self;
        let kind = quote!(<#value as ::tickdeck_sdk::ParameterValue>::KIND);
        let default = option(self.default.as_ref());
        let range = self.range();
        let bounds = quote!(<#value as ::tickdeck_sdk::ParameterValue>::BOUNDS);
        let minimum = self
            .minimum
            .as_ref()
            .map_or(quote!(#bounds.0), |least| quote!(Some(#least as f64)));
        let maximum = self
            .maximum
            .as_ref()
            .map_or(quote!(#bounds.1), |most| quote!(Some(#most as f64)));
        quote! {
            ::tickdeck_sdk::Parameter {
                name: #name,
                doc: #doc,
                kind: #kind,
                default: #default,
                minimum: #minimum,
                maximum: #maximum,
                range: #range,
            }
        }
    }

    /// Returns the bounds as a text that follows "is not".
    fn range(&self) -> String {
        let text = |bound: &Expr| literal(bound).unwrap_or_default();
        match (&self.minimum, &self.maximum) {
            (Some(least), Some(most)) => format!("from {} to {}", text(least), text(most)),
            (Some(least), None) => format!("{} or more", text(least)),
            (None, Some(most)) => format!("{} or less", text(most)),
            (None, None) => "a number that can be used".to_owned(),
        }
    }
}

fn option(value: Option<impl ToTokens>) -> TokenStream {
    value.map_or(
        quote!(::core::option::Option::None),
        |value| quote!(::core::option::Option::Some(#value)),
    )
}

/// Returns the lines of a doc comment as one text.
fn doc_comment(attributes: &[Attribute]) -> String {
    let lines = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .filter_map(|attribute| {
            let Expr::Lit(expression) = &attribute.meta.require_name_value().ok()?.value else {
                return None;
            };
            let Lit::Str(line) = &expression.lit else {
                return None;
            };
            Some(line.value().trim().to_owned())
        });
    lines.collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// Returns a default as the user would write it.
fn literal(expression: &Expr) -> Result<String> {
    match expression {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Ok(text.value()),
            Lit::Int(number) => Ok(number.base10_digits().to_owned()),
            Lit::Float(number) => Ok(number.base10_digits().to_owned()),
            Lit::Bool(flag) => Ok(flag.value.to_string()),
            _ => Err(Error::new_spanned(
                literal,
                "a default is a number, a text, true or false",
            )),
        },
        Expr::Unary(ExprUnary {
            op: UnOp::Neg(_),
            expr,
            ..
        }) => Ok(format!("-{}", literal(expr)?)),
        _ => Err(Error::new_spanned(
            expression,
            "a default is a literal: it is shown to the user",
        )),
    }
}

/// Checks that a bound is a number, possibly negative.
fn number(expression: Expr) -> Result<Expr> {
    let inner = match &expression {
        Expr::Unary(ExprUnary {
            op: UnOp::Neg(_),
            expr,
            ..
        }) => expr,
        other => other,
    };
    match inner {
        Expr::Lit(literal) if matches!(literal.lit, Lit::Int(_) | Lit::Float(_)) => Ok(expression),
        _ => Err(Error::new_spanned(expression, "a bound is a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(input: &str) -> String {
        expand(&syn::parse_str(input).expect("the test's struct parses"))
            .expect_err("it is refused")
            .to_string()
    }

    #[test]
    fn reports_mistakes_at_compile_time() {
        assert!(error_of("struct P(u32);").contains("named fields"));
        assert!(error_of("struct P { fast: u32 }").contains("say what `fast` is for"));
        assert!(
            error_of("struct P { /** a */ #[param(least = 1)] a: u32 }").contains("unknown key")
        );
        assert!(
            error_of("struct P { /** a */ #[param(default = 1 + 1)] a: u32 }")
                .contains("is a literal")
        );
        assert!(
            error_of("struct P { /** a */ #[param(min = \"1\")] a: u32 }")
                .contains("a bound is a number")
        );
    }

    #[test]
    fn defaults_read_as_a_user_would_write_them() {
        let default =
            |text: &str| literal(&syn::parse_str(text).expect("an expression")).expect("a literal");
        assert_eq!(default("10_000"), "10000");
        assert_eq!(default("-0.5f64"), "-0.5");
        assert_eq!(default("\"BTCUSDT\""), "BTCUSDT");
        assert_eq!(default("true"), "true");
    }
}
