"""The version of the recipe: raised whenever the same input would give another output.

It is part of a version's content hash, so that a drop made by an older recipe is made anew.
"""

RECIPE_VERSION = "6"
