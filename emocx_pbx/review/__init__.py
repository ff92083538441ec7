"""How good the models are on a site's own calls: windows drawn by chance, labelled blind, and figures."""
