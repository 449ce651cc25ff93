"""What there is to ask for: groups, versions, kinds, and their OpenAPI documents."""
