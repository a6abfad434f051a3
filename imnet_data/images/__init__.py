"""What a published image may be: known bad images, and the only use of Pillow.

What can be done with a JPEG without Pillow belongs to `jpeg`, what training does to pixels to
`transforms`.
"""
