"""The forms of `-o` besides tables: templates of jsonpath, columns of one's own, and the order of `--sort-by`. Pure.

Who prints whole objects goes through `documents.show`, which reads the form from what -o says.

    jsonpath.template("{.metadata.name}").render(pod)  # "web-1"
"""
