"""Files that engines load, all made from one sheet model and one pack index.

Each format is a module of its own and translates; nothing here looks at pixels or decides where a frame is.
What a document says of another file is the address that the place it is put into gives.
"""
