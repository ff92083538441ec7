"""How good the models are on a site's own calls: windows drawn at random, labelled blind, and figures."""
